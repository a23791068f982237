"""Verbs of retention: ask for an erasure, decide on it, hold and release.

Erasing is for good, so it takes two: who asks (the owner's agency or an operator of the government), and an operator
who is somebody else and has just proved who that is. Every step is a fact in the log; what was erased is named there by
its place, never by its value.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import registry
from hub.domain.registry import Caller, HubCaller, PersonCaller
from hub.domain.retention import keys, store
from hub.domain.retention.model import Change, Erasure, ErasureState, Hold, Subject, require_text
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound, RuleBroken
from hub.kit.ids import new_id

PLACES_MAX = 10_000


async def request(tx: Transaction, caller: Caller, wanted: Erasure, *, validate_only: bool) -> Erasure:
    """Ask for an erasure that the owner's room found to be possible; a dry run answers it and writes nothing.

    Raises InvalidInput TEXT, RuleBroken LEGAL_HOLD, Conflict ERASED when nothing is left to erase.
    """
    require_text(wanted.reason, "reason")
    require_text(wanted.legal_basis, "legalBasis")
    if not wanted.places:
        raise Conflict.because(Code.ERASED, "nothing is left here to erase")
    if len(wanted.places) > PLACES_MAX:
        raise InvalidInput.because(Code.INPUT, f"at most {PLACES_MAX} values at once")
    await store.lock(tx, wanted.tenant_id)
    await require_free(tx, wanted.tenant_id, wanted.posting_ids)
    if validate_only:
        return replace(wanted, state=ErasureState.VALIDATED)
    details = {"places": list(wanted.places), "postings": [str(each) for each in wanted.posting_ids]}
    fact = _fact(tx, caller, wanted, Change.REQUESTED, details=details)
    await store.insert_facts(tx, [fact])
    return replace(wanted, id=fact["id"], requested_by=fact["actor_id"])


async def decide(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    erasure_id: uuid.UUID,
    *,
    approve: bool,
    comment: str,
) -> Erasure:
    """Carry an erasure out, for good, or refuse it: by an operator who did not ask for it.

    1. The caller keeps this government's registries and has entered a one-time code just now. 2. The request is there
    and open. 3. Maker and checker are two. 4. Nothing it names is held now. 5. Keys go, and facts say so, together.
    """
    registry.require_operator(caller, tenant_id)
    registry.require_fresh(caller, tx.now)
    require_text(comment, "comment")
    await store.lock(tx, tenant_id)
    found = await find_request(tx, tenant_id, erasure_id)
    if found.state is not ErasureState.REQUESTED:
        raise Conflict.because(Code.PROPOSAL_DECIDED, Code.PROPOSAL_DECIDED.summary, "id")
    if approve and isinstance(caller, PersonCaller) and caller.person_id == found.requested_by:
        raise NotAllowed.because(Code.SELF_APPROVAL, Code.SELF_APPROVAL.summary, "id")
    made = replace(found, reason=comment)
    if not approve:
        await store.insert_facts(tx, [_fact(tx, caller, made, Change.REFUSED, of_id=erasure_id)])
        return replace(found, state=ErasureState.REFUSED, decided_at=tx.now)
    await require_free(tx, tenant_id, found.posting_ids)
    left = {place for owner, place in await keys.find_keys(tx, tenant_id, [found.owner_id], found.places)}
    places = [place for place in found.places if place in left]
    facts = [_fact(tx, caller, made, Change.APPROVED, of_id=erasure_id)]
    facts += [_fact(tx, caller, made, Change.ERASED, of_id=erasure_id, place=place) for place in places]
    await keys.destroy(tx, tenant_id, found.owner_id, places)
    await store.insert_facts(tx, facts)
    return replace(found, state=ErasureState.ERASED, decided_at=tx.now)


async def find_request(read: Read, tenant_id: uuid.UUID, erasure_id: uuid.UUID) -> Erasure:
    """A request of this government; raises NotFound."""
    rows = await store.list_begun(
        read, tenant_id, Change.REQUESTED, where="r.id = :id", values={"id": erasure_id}
    )
    if not rows:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "id")
    return store.erasure_of(rows[0])


async def list_erasures(
    read: Read, caller: Caller, tenant_id: uuid.UUID, *, after: uuid.UUID | None, limit: int
) -> list[Erasure]:
    """A government's requests and what became of them, oldest first; for its operators."""
    registry.require_operator(caller, tenant_id)
    where, values = _page(after, limit)
    rows = await store.list_begun(read, tenant_id, Change.REQUESTED, where=where, values=values)
    return [store.erasure_of(row) for row in rows]


async def list_holds(
    read: Read, caller: Caller, tenant_id: uuid.UUID, *, after: uuid.UUID | None, limit: int
) -> list[Hold]:
    """A government's holds, oldest first, released ones too; for its operators."""
    registry.require_operator(caller, tenant_id)
    where, values = _page(after, limit)
    rows = await store.list_begun(read, tenant_id, Change.HELD, where=where, values=values)
    return [store.hold_of(row) for row in rows]


def _page(after: uuid.UUID | None, limit: int) -> tuple[str, dict[str, Any]]:
    behind = after or uuid.UUID(int=0)
    return "r.id > :after ORDER BY r.id LIMIT :limit", {"after": behind, "limit": limit}


async def place_hold(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    posting_id: uuid.UUID,
    reason: str,
    legal_basis: str,
) -> Hold:
    """Keep a posting and its documents from being erased until the hold is released; for operators."""
    registry.require_operator(caller, tenant_id)
    require_text(reason, "reason")
    require_text(legal_basis, "legalBasis")
    await store.lock(tx, tenant_id)
    fact = _fact(tx, caller, _about(tx, tenant_id, posting_id, reason, legal_basis), Change.HELD)
    await store.insert_facts(tx, [fact])
    return Hold(fact["id"], tenant_id, posting_id, reason, legal_basis, tx.now)


async def release_hold(
    tx: Transaction, caller: Caller, tenant_id: uuid.UUID, hold_id: uuid.UUID, reason: str
) -> Hold:
    """End a hold; raises NotFound, or Conflict RETENTION_HOLD when it has ended."""
    registry.require_operator(caller, tenant_id)
    registry.require_fresh(caller, tx.now)
    require_text(reason, "reason")
    await store.lock(tx, tenant_id)
    rows = await store.list_begun(tx, tenant_id, Change.HELD, where="r.id = :id", values={"id": hold_id})
    if not rows:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "id")
    hold = store.hold_of(rows[0])
    if hold.released_at is not None:
        raise Conflict.because(Code.LEGAL_HOLD, "this hold was released already", "id")
    about = _about(tx, tenant_id, hold.posting_id, reason, hold.legal_basis)
    await store.insert_facts(tx, [_fact(tx, caller, about, Change.RELEASED, of_id=hold_id)])
    return replace(hold, released_at=tx.now)


async def require_free(read: Read, tenant_id: uuid.UUID, posting_ids: Collection[uuid.UUID]) -> None:
    """None of these postings is held; raises RuleBroken LEGAL_HOLD."""
    held = await store.list_begun(
        read,
        tenant_id,
        Change.HELD,
        where="e.id IS NULL AND r.owner_id = ANY(:owners) LIMIT 1",
        values={"owners": list(posting_ids)},
    )
    if held:
        raise RuleBroken.because(Code.LEGAL_HOLD, Code.LEGAL_HOLD.summary)


def _about(
    tx: Transaction, tenant_id: uuid.UUID, posting_id: uuid.UUID, reason: str, legal_basis: str
) -> Erasure:
    """A posting as the subject of a fact."""
    state = ErasureState.VALIDATED
    return Erasure(
        None, tenant_id, Subject.POSTING, posting_id, (), (), reason, legal_basis, state, None, tx.now
    )


def _fact(
    tx: Transaction,
    caller: Caller,
    about: Erasure,
    change: Change,
    *,
    of_id: uuid.UUID | None = None,
    place: str | None = None,
    details: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    actor, actor_id = registry.actor_of(caller)
    if isinstance(caller, HubCaller):
        details = {**(details or {}), "by": [caller.reason]}
    return {
        "tenant_id": about.tenant_id,
        "id": new_id(),
        "change": change.value,
        "subject": about.subject.value,
        "owner_id": about.owner_id,
        "place": place,
        "of_id": of_id,
        "reason": about.reason,
        "legal_basis": about.legal_basis,
        "details": details or {},
        "actor": actor,
        "actor_id": actor_id,
        "at": tx.now,
    }
