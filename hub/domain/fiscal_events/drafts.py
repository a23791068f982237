"""A posting on its way in: completed, canonicalised, gathering problems until it is accepted or refused."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from hub.domain.fiscal_events import content as contents
from hub.domain.fiscal_events.model import Content, Post, Posting, Verdict
from hub.domain.fiscal_events.placing import Placed
from hub.domain.fiscal_events.seals import BatchSeal, shared_signature
from hub.domain.fiscal_events.vocabulary import Classification, PostingKind, Qualifier
from hub.domain.registry import SystemCaller, Tenant
from hub.errors import InvalidInput, Problem
from hub.kit.ids import new_id
from hub.signing import Digest, content_digest


@dataclass(slots=True)
class Draft:
    """One item of a post, with everything found out about it so far.

    ``holds``: whether its own signature is the key's over the statement; None while nobody has verified it.
    """

    command: Post
    content: Content
    id: uuid.UUID = field(default_factory=new_id)
    framed: bytes = b""
    digest: Digest | None = None
    statement: bytes | None = None
    holds: bool | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    verdict: Verdict | None = None
    twin: Draft | None = None
    seal: BatchSeal | None = None
    placed: list[Placed] = field(default_factory=list)
    place: int = 0

    @property
    def open(self) -> bool:
        """Neither answered nor refused yet."""
        return self.verdict is None and not self.problems


def complete(content: Content, caller: SystemCaller, tenant: Tenant) -> Content:
    """Fill in what the sender may leave out, so that signed bytes always say it in full."""
    lines = content.lines
    if not all(line.currency is not None for line in lines):
        lines = tuple(
            line if line.currency is not None else replace(line, currency=tenant.currency) for line in lines
        )
    elif content.sender and content.government:
        return content
    return replace(
        content,
        sender=content.sender or caller.unique_id,
        government=content.government or tenant.code,
        lines=lines,
    )


def draft(command: Post, caller: SystemCaller, tenant: Tenant) -> Draft:
    """Complete and canonicalise one item; what has no canonical bytes keeps its problems."""
    content = complete(command.content, caller, tenant)
    item = Draft(command, content)
    try:
        item.framed = contents.content_bytes(content)
        item.digest = content_digest(item.framed)
    except InvalidInput as refused:
        item.problems.extend(problem.under("content") for problem in refused.problems)
    return item


def seal_batch(drafts: Sequence[Draft], caller: SystemCaller) -> None:
    """Put drafts whose commands were signed once, as a batch, under their common seal; others stay as they are."""
    sent = shared_signature([item.command for item in drafts])
    if sent is None:
        return
    seal = BatchSeal.over([item.digest for item in drafts], sent, caller.unique_id)
    for place, item in enumerate(drafts):
        item.seal, item.place = seal, place


def classification_of(content: Content, original: Posting | None = None) -> Classification:
    """As stated; a reversal as its original; proposed estimates are restricted (spec 21, question 12)."""
    if content.classification is not None:
        return content.classification
    if original is not None:
        return original.classification
    if content.kind is PostingKind.EVENT and content.qualifier is Qualifier.PROPOSED:
        return Classification.RESTRICTED
    return Classification.OPEN
