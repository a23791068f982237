"""Asking the API from a page: named operations, and what came back as data and problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from graphql import OperationDefinitionNode, parse

from hub.calls import Answer

DOCUMENTS = Path(__file__).parent / "documents"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the API would not do: its code, where in the input, and why (in English)."""

    code: str
    path: tuple[str, ...]
    message: str

    @property
    def place(self) -> str:
        """The input's innermost name, which is the name of the form's field."""
        return next((part for part in reversed(self.path) if not part.isdigit()), "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation answered; ``data`` is empty when it was not executed."""

    data: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    status: int = 200
    retry_after_seconds: int | None = None
    cookies: list[str] = field(default_factory=list)

    def has(self, code: str) -> bool:
        """Whether this code is among the problems."""
        return any(problem.code == code for problem in self.problems)


@cache
def operations() -> Mapping[str, str]:
    """Every operation of ``documents/`` by its name; a name stands for one document."""
    found: dict[str, str] = {}
    for file in sorted(DOCUMENTS.glob("*.graphql")):
        text = file.read_text()
        for node in parse(text).definitions:
            if isinstance(node, OperationDefinitionNode) and node.name is not None:
                if node.name.value in found:
                    raise ValueError(f"{file.name}: there is another operation {node.name.value}")
                found[node.name.value] = text
    return found


def outcome_of(answer: Answer) -> Outcome:
    """An answer of the API as a page reads it: errors of the request and of payloads are both problems."""
    body: dict[str, Any] = orjson.loads(answer.body)
    data = body.get("data") or {}
    return Outcome(
        data=data,
        problems=(*_errors(body.get("errors", [])), *_payload_errors(data)),
        status=answer.status or 200,
        retry_after_seconds=answer.retry_after_seconds,
        cookies=answer.cookies,
    )


def _errors(errors: list[dict[str, Any]]) -> Iterator[Problem]:
    for error in errors:
        extensions = error.get("extensions", {})
        yield Problem(extensions.get("code", ""), tuple(map(str, error.get("path") or ())), error["message"])


def _payload_errors(data: dict[str, Any]) -> Iterator[Problem]:
    for payload in data.values():
        if isinstance(payload, dict) and isinstance(payload.get("errors"), list):
            for error in payload["errors"]:
                yield Problem(error["code"], tuple(error["path"]), error["message"])
