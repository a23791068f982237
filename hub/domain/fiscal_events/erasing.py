"""What of a posting can be erased, and asking for it: its documents. The decision is the retention room's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import select

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import registry, retention
from hub.domain.fiscal_events import reading, tables
from hub.domain.fiscal_events.model import Posting
from hub.domain.fiscal_events.rules import is_sha256
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.domain.registry import Caller, HubCaller, PersonCaller, PersonRole
from hub.domain.retention import Erasure, ErasureState, Hold, Subject
from hub.errors import InvalidInput, NotAllowed, NotFound

KEEPERS = frozenset({PersonRole.OWNER, PersonRole.APPROVER})


@dataclass(frozen=True, slots=True)
class RequestErasure:
    """Erase the document ``sha256`` that is attached to a posting, wherever its sender attached it."""

    posting_id: uuid.UUID
    kind: PostingKind
    sha256: str
    reason: str
    legal_basis: str


async def request_erasure(
    tx: Transaction, caller: Caller, command: RequestErasure, *, validate_only: bool
) -> Erasure:
    """Ask for an erasure, or (``validate_only``) hear what it would erase.

    For owners and approvers of the sender's agency, and operators of the government. Raises NotFound, NotAllowed,
    RuleBroken LEGAL_HOLD, Conflict ERASED.
    """
    registry.require_known(caller)
    if not is_sha256(command.sha256):
        raise InvalidInput.because(Code.ATTACHMENT_DIGEST, "sha256 is 64 lower-case hex digits", "sha256")
    posting = await reading.find_posting(tx, caller, command.posting_id, command.kind)
    if posting is None:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "posting")
    _require_keeper(caller, posting)
    shown_by = await _attached_to(tx, posting, bytes.fromhex(command.sha256))
    if posting.id not in shown_by:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "sha256")
    left = await retention.find_keys(tx, posting.tenant_id, [posting.sender_id], [command.sha256])
    wanted = Erasure(
        id=None,
        tenant_id=posting.tenant_id,
        subject=Subject.DOCUMENT,
        owner_id=posting.sender_id,
        places=tuple(place for _, place in left),
        posting_ids=tuple(shown_by),
        reason=command.reason,
        legal_basis=command.legal_basis,
        state=ErasureState.REQUESTED,
        requested_by=None,
        requested_at=tx.now,
    )
    return await retention.request(tx, caller, wanted, validate_only=validate_only)


def _require_keeper(caller: Caller, posting: Posting) -> None:
    """The sender's own people who answer for it, or who keeps the government's registries."""
    if isinstance(caller, HubCaller) or registry.is_operator(caller, posting.tenant_id):
        return
    is_own = isinstance(caller, PersonCaller) and caller.agency_id == posting.sender_agency_id
    if not (is_own and isinstance(caller, PersonCaller) and caller.roles & KEEPERS):
        raise NotAllowed.because(Code.ROLE_NOT_ALLOWED, Code.ROLE_NOT_ALLOWED.summary)


async def _attached_to(read: Read, posting: Posting, sha256: bytes) -> list[uuid.UUID]:
    """The postings of this sender that the document is attached to."""
    p, a = tables.posting, tables.posting_attachment
    rows = await read.rows(
        select(p.c.id)
        .join(a, (a.c.tenant_id == p.c.tenant_id) & (a.c.posting_id == p.c.id))
        .where(p.c.tenant_id == posting.tenant_id, p.c.sender_id == posting.sender_id, a.c.sha256 == sha256)
        .order_by(p.c.id)
        .distinct()
    )
    return list(rows.scalars())


async def hold(
    tx: Transaction, caller: Caller, posting: tuple[PostingKind, uuid.UUID], reason: str, legal_basis: str
) -> Hold:
    """Keep a posting the caller sees from being erased; for operators of its government. Raises NotFound."""
    registry.require_known(caller)
    kind, posting_id = posting
    found = await reading.find_posting(tx, caller, posting_id, kind)
    if found is None:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "posting")
    return await retention.place_hold(tx, caller, found.tenant_id, found.id, reason, legal_basis)
