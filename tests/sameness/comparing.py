"""One document, one caller, both ways of answering; and what is different between the two answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import FieldNode

from hub.api import Api
from hub.calls import Answer
from tests.sameness.documents import Document
from tests.sameness.scene import Caller

TRIES = 3
_TRACE = re.compile(rb'"traceId":"[^"]*"')


@dataclass(frozen=True)
class Difference:
    """A document that is answered in two ways."""

    caller: str
    document: Document
    plain: Seen
    compiled: Seen

    def __str__(self) -> str:
        lines = [f"as {self.caller}:", self.document.text, f"variables: {self.document.variables!r}"]
        lines.append(f"operationName: {self.document.operation!r}")
        lines += [f"plain:    {self.plain}", f"compiled: {self.compiled}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Seen:
    """All of an answer that anybody can see, logs and metrics included."""

    body: bytes
    rest: tuple[Any, ...]

    @classmethod
    def of(cls, answer: Answer, *, several: bool) -> Seen:
        """The answer's bytes, but for trace ids and the order of several errors, and all beside them."""
        rest = (
            answer.executed,
            answer.status,
            answer.retry_after_seconds,
            tuple(answer.cookies),
            answer.caller,
            answer.kind,
            answer.fields,
            answer.outcome,
        )
        body = _TRACE.sub(b'"traceId":""', answer.body)
        if b'"errors"' not in body:
            return cls(body, rest)
        whole = orjson.loads(body)
        errors = whole.get("errors", ())
        if answer.executed and whole.get("data") is None and several:
            # Root fields run side by side: which of several that may not be null fails first, and so gives the
            # answer its error and status, is nobody's promise.
            whole["errors"] = ()
            return cls(orjson.dumps(whole), (answer.executed, *rest[3:-1]))
        if len(errors) > 1:
            whole["errors"].sort(key=lambda each: orjson.dumps(each, option=orjson.OPT_SORT_KEYS))
            return cls(orjson.dumps(whole), rest[:-1])
        return cls(body, rest)


@dataclass
class Tally:
    """What was compared, so that a comparison of nothing with nothing does not pass."""

    documents: int = 0
    answered: int = 0
    about_postings: int = 0
    compiled: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def share_compiled(self) -> float:
        """Of the documents that ask for postings alone and were executed."""
        return self.compiled / max(1, self.about_postings)


async def compare(api: Api, tally: Tally, caller: Caller, document: Document) -> None:
    """Answer both ways; what differs must differ again, or the world has moved in between."""
    tally.documents += 1
    several = _asks_for_several(api, document)
    for _ in range(TRIES):
        plain = await _ask(api, caller, document, plain=True)
        compiled = await _ask(api, caller, document, plain=False)
        if Seen.of(plain, several=several) == Seen.of(compiled, several=several):
            break
        again = await _ask(api, caller, document, plain=True)
        if Seen.of(plain, several=several) == Seen.of(again, several=several):
            found = Difference(
                caller.name, document, Seen.of(plain, several=several), Seen.of(compiled, several=several)
            )
            tally.differences.append(found)
            break
    else:
        tally.differences.append(
            Difference(
                caller.name, document, Seen.of(plain, several=several), Seen.of(again, several=several)
            )
        )
    tally.outcomes[plain.outcome] += 1
    tally.answered += plain.executed and plain.outcome == "OK"
    if plain.executed and plain.outcome == "OK" and document.about_postings:
        tally.about_postings += 1
        tally.compiled += compiled.compiled


def _asks_for_several(api: Api, document: Document) -> bool:
    """Whether more than one root field may stand in the answer; a fragment may hold any number."""
    operation = api.documents.prepare(document.text).operation(document.operation)
    if operation is None:
        return False
    selections = operation.node.selection_set.selections
    return len(selections) > 1 or not isinstance(selections[0], FieldNode)


async def _ask(api: Api, caller: Caller, document: Document, *, plain: bool) -> Answer:
    return await api.answer(caller.call(document.text, document.variables, document.operation, plain=plain))


def told(differences: Sequence[Difference]) -> str:
    """The shortest few of what was found."""
    shortest = sorted(differences, key=lambda each: len(each.document.text))[:3]
    return f"{len(differences)} documents differ; the shortest:\n" + "\n\n".join(map(str, shortest))
