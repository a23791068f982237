"""What was said before is answered as before: idempotency keys, and a provider's own references."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hub.codes import Code
from hub.db import Transaction
from hub.domain.fiscal_events import access, store
from hub.domain.fiscal_events.drafts import Draft
from hub.domain.fiscal_events.model import Posting, PostOutcome, StoredReceipt, Verdict
from hub.domain.registry import SystemCaller
from hub.errors import Problem
from hub.signing import Digest

CONFLICTS = frozenset({Code.IDEMPOTENCY_CONFLICT, Code.DUPLICATE_REFERENCE_CONFLICT})


async def answer_known(
    tx: Transaction, sender: SystemCaller, drafts: Sequence[Draft]
) -> list[dict[str, Any]]:
    """Answer items whose key or reference is on record; returns the keys to bind to earlier postings.

    The same key or reference with other content becomes a problem of the item.
    """
    sound = [item for item in drafts if not item.problems]
    if not sound:
        return []
    known = await store.on_record(
        tx,
        sender.tenant_id,
        sender.system_id,
        keys={item.command.idempotency_key for item in sound},
        references={item.content.reference_id for item in sound},
    )
    if not known.keys and not known.references:
        return []
    ids = {*known.references.values(), *(answered.posting_id for answered in known.keys.values())}
    postings = await store.find_postings(tx, sender.tenant_id, ids, access.visible(sender))
    receipts = await store.find_receipts(tx, sender.tenant_id, postings.keys())
    bound: dict[str, tuple[Draft, Posting]] = {}
    for item in sound:
        key = known.keys.get(item.command.idempotency_key)
        if key is not None:
            _answer(item, postings[key.posting_id], receipts, PostOutcome(key.outcome), by_key=True)
            continue
        posting_id = known.references.get(item.content.reference_id)
        earlier = postings.get(posting_id) if posting_id is not None else None
        if earlier is None:
            continue
        before = bound.get(item.command.idempotency_key)
        if before is not None:
            _answer(item, before[1], receipts, PostOutcome.DUPLICATE, by_key=True)
            continue
        _answer(item, earlier, receipts, PostOutcome.DUPLICATE, by_key=False)
        if item.verdict is not None and not item.command.validate_only:
            bound[item.command.idempotency_key] = (item, earlier)
    return [_binding(item, sender, posting.id) for item, posting in bound.values()]


def _answer(
    item: Draft,
    posting: Posting,
    receipts: Mapping[uuid.UUID, StoredReceipt],
    outcome: PostOutcome,
    *,
    by_key: bool,
) -> None:
    assert item.digest is not None
    if posting.content_digest == item.digest.raw:
        item.verdict = _known(outcome, posting, receipts)
    elif by_key:
        item.problems.append(_conflict(Code.IDEMPOTENCY_CONFLICT, ("idempotencyKey",), posting))
    else:
        at = ("content", "referenceId")
        item.problems.append(_conflict(Code.DUPLICATE_REFERENCE_CONFLICT, at, posting))


def _known(outcome: PostOutcome, posting: Posting, receipts: Mapping[uuid.UUID, StoredReceipt]) -> Verdict:
    warnings = tuple(Problem(Code(w["code"]), str(w["message"]), tuple(w["path"])) for w in posting.warnings)
    return Verdict(outcome, posting, receipts[posting.id], warnings=warnings)


def _conflict(code: Code, at: tuple[str | int, ...], earlier: Posting) -> Problem:
    return Problem(code, f"{code.summary} It is {earlier.public_id}.", at)


def _binding(item: Draft, sender: SystemCaller, posting_id: uuid.UUID) -> dict[str, Any]:
    digest: Digest | None = item.digest
    assert digest is not None
    return {
        "tenant_id": sender.tenant_id,
        "system_id": sender.system_id,
        "idempotency_key": item.command.idempotency_key,
        "posting_id": posting_id,
        "content_digest": digest.raw,
        "outcome": "DUPLICATE",
    }


def find_twin(item: Draft, by_key: Mapping[str, Draft], by_reference: Mapping[str, Draft]) -> Draft | None:
    """An earlier item of the same batch under the same key or reference.

    The same item again shares its answer; other content under either is a conflict, and so is the same
    posting under two keys of one batch.
    """
    key, reference = item.command.idempotency_key, item.content.reference_id
    twin = by_key.get(key) or by_reference.get(reference)
    if twin is None:
        return None
    same_key = twin.command.idempotency_key == key
    if item.digest != twin.digest:
        code = Code.IDEMPOTENCY_CONFLICT if same_key else Code.DUPLICATE_REFERENCE_CONFLICT
        at = ("idempotencyKey",) if same_key else ("content", "referenceId")
        item.problems.append(Problem(code, code.summary, at))
    elif not same_key:
        message = "the same posting stands in this batch under another idempotency key"
        item.problems.append(Problem(Code.DUPLICATE_REFERENCE_CONFLICT, message, ("content", "referenceId")))
    return twin
