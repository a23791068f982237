"""Verbs of postings: post, reverse, correct, sign. Every write passes ``post_many``, the one door.

What the door promises, in order:

1. the caller is a provider and speaks for itself;
2. an idempotency key that has answered answers the same again, or names the conflict;
3. so does a provider's own reference;
4. every rule is checked, every violation found;
5. the sender's signature holds over exactly the bytes that are stored;
6. facts, balances, inbox entries and the hub's receipt are stored together or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from hub.codes import Code
from hub.db import Transaction
from hub.domain import registry
from hub.domain.fiscal_events import (
    access,
    bookings,
    checks,
    replays,
    reversals,
    rules,
    sealing,
    store,
    storing,
)
from hub.domain.fiscal_events.drafts import Draft, complete, draft, seal_batch
from hub.domain.fiscal_events.facts import Facts, gather
from hub.domain.fiscal_events.model import (
    PREFIXES,
    BatchMode,
    BytesToSign,
    Content,
    Correct,
    Link,
    OriginSignature,
    Package,
    Post,
    Posting,
    PostOutcome,
    ReversalRequest,
    Reverse,
    Verdict,
)
from hub.domain.fiscal_events.packing import WARNINGS_MAX, pack
from hub.domain.fiscal_events.verifying import verify_ahead
from hub.domain.fiscal_events.vocabulary import Relation, ReversalMode
from hub.domain.registry import Caller, SystemCaller, SystemRole, Tenant
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound, Problem, Refusal, RuleBroken
from hub.means import Means
from hub.signing import Purpose, Statement, instant_text

BATCH_MAX = 500
ROUNDS_MAX = 10
PROBLEMS_MAX = 1_000
Outcome = Verdict | Refusal | None


class _NoneStored(Exception):
    """An atomic batch with a problem: whatever was booked is undone, every item is refused."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__()
        self.verdicts = verdicts


async def post(tx: Transaction, means: Means, caller: Caller, command: Post) -> Verdict:
    """Post one event or message; refuses with every problem found, and stores nothing then."""
    return (await post_many(tx, means, caller, [command], mode=BatchMode.PER_ITEM))[0]


async def post_many(
    tx: Transaction, means: Means, caller: Caller, commands: Sequence[Post], *, mode: BatchMode
) -> list[Verdict]:
    """Post 1 to 500 items; one verdict each, in order. ATOMIC: all are stored, or none is."""
    if not 1 <= len(commands) <= BATCH_MAX:
        raise InvalidInput.because(Code.BATCH_SIZE, Code.BATCH_SIZE.summary, "items")
    sender = registry.require_system(caller, SystemRole.PROVIDER)
    tenant = await registry.get_tenant(tx, sender.tenant_id)
    if len({command.validate_only for command in commands}) > 1:
        message = "a batch is validated or posted as a whole"
        raise InvalidInput.because(Code.INPUT, message, "items")
    for _ in range(ROUNDS_MAX):
        try:
            async with tx.attempt():
                return await _round(tx, means, _Part(sender, tenant, commands), mode)
        except storing.Raced:
            continue
        except _NoneStored as refused:
            return refused.verdicts
    raise Conflict.because(Code.BUSY, Code.BUSY.summary)


async def post_groups(
    tx: Transaction, means: Means, groups: Sequence[tuple[SystemCaller, Sequence[Post]]]
) -> list[list[Outcome]]:
    """Post items of several senders (each named once) in one transaction; each is judged as if it came alone.

    One outcome per item, in order: its verdict, the refusal that met its sender, or None: it must be asked
    again after this commit, as an item before it took its key or reference. Raises Raced, with the transaction
    to be undone, when somebody else took one in between. At most one of the senders may have items that lock
    (links, reversals): two senders' sums would not see each other.
    """
    parts: list[_Part | Refusal] = []
    for sender, commands in groups:
        try:
            tenant = await registry.get_tenant(tx, sender.tenant_id)
            part = _Part(sender, tenant, commands, shared=True)
            await _prepare(tx, means, part, BatchMode.PER_ITEM)
            parts.append(part)
        except Refusal as refused:
            parts.append(refused)
    await _store(tx, means, [part for part in parts if isinstance(part, _Part)])
    return [
        [part] * len(commands) if isinstance(part, Refusal) else part.outcomes()
        for part, (_, commands) in zip(parts, groups, strict=True)
    ]


class _Part:
    """One sender's items in a transaction, on their way to their verdicts."""

    def __init__(
        self, sender: SystemCaller, tenant: Tenant, commands: Sequence[Post], *, shared: bool = False
    ) -> None:
        self.sender = sender
        self.tenant = tenant
        self.drafts = [draft(command, sender, tenant) for command in commands]
        if not shared:
            seal_batch(self.drafts, sender)
        self.shared = shared
        self.bindings: list[dict[str, Any]] = []
        self.accepted: list[Draft] = []
        self.packages: list[Package] = []

    def outcomes(self) -> list[Outcome]:
        """Verdicts once everything is stored; None for those who must be asked again."""
        return [None if self._comes_again(item) else _verdict(item) for item in self.drafts]

    def _comes_again(self, item: Draft) -> bool:
        """Whether the item came separately and is not the very same request as the one before it."""
        return self.shared and item.twin is not None and item.command != item.twin.command


async def _round(tx: Transaction, means: Means, part: _Part, mode: BatchMode) -> list[Verdict]:
    """One try at the whole batch; raises Raced when another transaction got in between."""
    await _prepare(tx, means, part, mode)
    await _store(tx, means, [part])
    return [_verdict(item) for item in part.drafts]


async def _prepare(tx: Transaction, means: Means, part: _Part, mode: BatchMode) -> None:
    """Answer what is known, check the rest, book balances, and pack what is to be stored."""
    for item in part.drafts:
        item.problems += rules.check_idempotency_key(item.command.idempotency_key)
    part.bindings = await replays.answer_known(tx, part.sender, part.drafts)
    if all(item.verdict is not None for item in part.drafts):
        return
    fresh = [item for item in part.drafts if item.verdict is None and item.digest is not None]
    facts = await gather(tx, part.sender, part.tenant, fresh)
    await verify_ahead(facts, fresh)
    _check_all(facts, part.drafts, shared=part.shared)
    if mode is BatchMode.ATOMIC and any(item.problems for item in part.drafts):
        raise _NoneStored([_refused(item) for item in part.drafts])
    part.accepted = [
        item for item in fresh if item.open and item.twin is None and not item.command.validate_only
    ]
    await storing.take_back(tx, part.tenant.id, bookings.parts_of(part.accepted))
    part.packages = [pack(item, facts, means) for item in part.accepted]


async def _store(tx: Transaction, means: Means, parts: Sequence[_Part]) -> None:
    """Insert what all parts accepted by the same few statements, while its receipts are signed; raises Raced."""
    packages = [package for part in parts for package in part.packages]
    signing = asyncio.create_task(sealing.issue(means, packages))
    try:
        await storing.insert_packages(tx, packages, [row for part in parts for row in part.bindings], signing)
    finally:
        await asyncio.wait([signing])
    receipts = iter(signing.result())
    for part in parts:
        for item, package in zip(part.accepted, part.packages, strict=True):
            item.verdict = Verdict(
                PostOutcome.ACCEPTED, package.posting, next(receipts), warnings=_warnings(item)
            )


def _check_all(facts: Facts, drafts: Sequence[Draft], *, shared: bool) -> None:
    """Check every item in order; what one takes is gone for the next.

    ``shared``: the items came separately. A second one under the same key or reference is not the batch's
    mistake then; it only finds its twin, and is judged by what is on record after this commit.
    """
    named = bookings.named_in_batch([item for item in drafts if item.digest is not None], facts)
    by_key = {item.command.idempotency_key: item for item in drafts if item.verdict is not None}
    by_reference: dict[str, Draft] = {}
    for item in drafts:
        if item.verdict is not None or item.digest is None:
            continue
        if any(problem.code in replays.CONFLICTS for problem in item.problems):
            continue
        item.twin = (
            by_key.get(item.command.idempotency_key) or by_reference.get(item.content.reference_id)
            if shared
            else replays.find_twin(item, by_key, by_reference)
        )
        if item.twin is not None:
            continue
        checks.check(item, facts)
        if item.open:
            bookings.book(item, facts, named)
            by_key[item.command.idempotency_key] = by_reference[item.content.reference_id] = item


def _verdict(item: Draft) -> Verdict:
    """The final word on one item."""
    if item.problems:
        return _refused(item)
    if item.verdict is not None:
        return item.verdict
    if item.twin is not None:
        return _verdict(item.twin)
    return Verdict(PostOutcome.VALIDATED, warnings=_warnings(item))


def _refused(item: Draft) -> Verdict:
    return Verdict(PostOutcome.REFUSED, errors=tuple(item.problems[:PROBLEMS_MAX]), warnings=_warnings(item))


def _warnings(item: Draft) -> tuple[Problem, ...]:
    return tuple(item.warnings[:WARNINGS_MAX])


async def reverse(tx: Transaction, means: Means, caller: Caller, command: Reverse) -> Verdict:
    """Take back a posting in whole or part; the hub writes the content, the sender signs it."""
    content = await reversal_content(tx, caller, command.request)
    verdict = await post(
        tx,
        means,
        caller,
        Post(command.idempotency_key, content, command.signature, command.validate_only),
    )
    return structs.replace(
        verdict, errors=_of_request(verdict.errors), warnings=_of_request(verdict.warnings)
    )


def _of_request(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Paths in a reversal's content as paths in the request it was written from."""
    return tuple(replace(problem, path=_request_path(problem.path)) for problem in problems)


def _request_path(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if path[:1] != ("content",):
        return path
    return ("reversal", *(path[2:] if path[1:2] == ("reversal",) else path[1:]))


async def reversal_content(tx: Transaction, caller: Caller, request: ReversalRequest) -> Content:
    """The content of a reversal; a reversal of this reference that is on record keeps its own content.

    So a repeated call means the same bytes although what is left has changed in between. Refuses what is not
    there or not visible, another system's posting, a reversal, and (FULL) what is reversed already.
    """
    sender = registry.require_system(caller, SystemRole.PROVIDER)
    seen = access.visible(sender)
    found = await store.find_postings(tx, sender.tenant_id, {request.posting_id}, seen)
    original = found.get(request.posting_id)
    if original is None or PREFIXES[original.kind] != request.posting_prefix:
        raise NotFound.because(Code.REVERSAL_NOT_FOUND, Code.REVERSAL_NOT_FOUND.summary, "reversal", "id")
    if original.sender_id != sender.system_id:
        raise NotAllowed.because(Code.REVERSAL_NOT_OWNER, Code.REVERSAL_NOT_OWNER.summary, "reversal", "id")
    if original.reverses_id is not None:
        code = Code.REVERSAL_OF_REVERSAL
        raise RuleBroken.because(code, code.summary, "reversal", "id")
    lines = (await store.lines_of(tx, sender.tenant_id, {original.id})).get(original.id, [])
    balances = (await store.balances_of(tx, sender.tenant_id, {original.id})).get(original.id, {})
    before = await _earlier_reversal(tx, sender, request, original)
    if before is not None:
        again = (await store.lines_of(tx, sender.tenant_id, {before.id})).get(before.id, [])
        balances = reversals.undone(balances, again)
    elif request.mode is ReversalMode.FULL:
        whole = await store.reversed_in_full(tx, sender.tenant_id, {original.id})
        if whole or reversals.is_used_up(balances):
            raise RuleBroken.because(Code.REVERSAL_EXCEEDS, "nothing is left to reverse", "reversal", "id")
    receivers = (await store.receiver_names(tx, sender.tenant_id, {original.id})).get(original.id, set())
    return reversals.build(request, original, lines, balances, sorted(receivers))


async def _earlier_reversal(
    tx: Transaction, sender: SystemCaller, request: ReversalRequest, original: Posting
) -> Posting | None:
    """The reversal of this original that already stands under the request's reference."""
    if not rules.is_storable(request.reference_id):
        return None
    key = (sender.system_id, request.reference_id)
    earlier = await store.find_by_reference(tx, sender.tenant_id, {key}, access.visible(sender))
    found = earlier.get(key)
    return found if found is not None and found.reverses_id == original.id else None


async def correct(tx: Transaction, means: Means, caller: Caller, command: Correct) -> list[Verdict]:
    """Reverse and replace in one transaction: both are stored, or neither is."""
    request = command.reversal.request
    try:
        content = await reversal_content(tx, caller, request)
    except Refusal as refused:
        raise type(refused)([problem.under("reversal") for problem in refused.problems]) from refused
    validate_only = command.reversal.validate_only or command.replacement.validate_only
    reversal = Post(command.reversal.idempotency_key, content, command.reversal.signature, validate_only)
    replacement = structs.replace(
        command.replacement,
        content=with_replaces(command.replacement.content, request),
        validate_only=validate_only,
    )
    verdicts = await post_many(tx, means, caller, [reversal, replacement], mode=BatchMode.ATOMIC)
    first, second = verdicts
    problems = [problem.under("reversal") for problem in _of_request(first.errors)]
    problems += [problem.under("replacement") for problem in second.errors]
    if problems:
        raise InvalidInput(problems)
    return verdicts


def with_replaces(content: Content, request: ReversalRequest) -> Content:
    """The replacement's content with its link to the original, unless the sender gave one."""
    link = Link(Relation.REPLACES, request.posting_id, request.posting_prefix)
    if any(x.relation is Relation.REPLACES and x.posting_id == request.posting_id for x in content.links):
        return content
    return structs.replace(content, links=(*content.links, link))


async def bytes_to_sign(
    tx: Transaction, caller: Caller, content: Content, signature: OriginSignature
) -> BytesToSign:
    """The bytes a sender signs for this content, exactly as ``post`` will check them."""
    sender = registry.require_system(caller, SystemRole.PROVIDER)
    tenant = await registry.get_tenant(tx, sender.tenant_id)
    item = draft(Post("-", complete(content, sender, tenant), signature), sender, tenant)
    if item.problems or item.digest is None:
        raise Refusal(item.problems)
    statement = Statement(
        body_digest=item.digest,
        comments="",
        key_id=f"sgk_{signature.key_id}",
        purpose=Purpose.ORIGIN,
        signed_at=instant_text(signature.signed_at),
        system=sender.unique_id,
    )
    return BytesToSign(item.framed, item.digest.text, statement.bytes())


async def batch_bytes_to_sign(
    tx: Transaction, caller: Caller, contents: Sequence[Content], signature: OriginSignature
) -> BytesToSign:
    """The bytes a sender signs once for a whole batch, exactly as ``post_many`` will check them."""
    if not 1 <= len(contents) <= BATCH_MAX:
        raise InvalidInput.because(Code.BATCH_SIZE, Code.BATCH_SIZE.summary, "subject", "events")
    sender = registry.require_system(caller, SystemRole.PROVIDER)
    tenant = await registry.get_tenant(tx, sender.tenant_id)
    drafts = [
        draft(Post("-", content, signature, signed_in_batch=True), sender, tenant) for content in contents
    ]
    seal_batch(drafts, sender)
    problems = [
        problem.under("subject", "events", i) for i, item in enumerate(drafts) for problem in item.problems
    ]
    seal = drafts[0].seal
    if problems or seal is None or seal.statement is None:
        raise InvalidInput(problems[:PROBLEMS_MAX])
    return BytesToSign(None, seal.statement.root.text, seal.statement.bytes())
