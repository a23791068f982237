"""Adding a signature to a posting: acknowledgement, approval or rejection, by any system that may see it."""

from __future__ import annotations

from sqlalchemy import select

from hub.codes import Code
from hub.db import Transaction
from hub.domain import registry
from hub.domain.fiscal_events import access, masking, store, tables
from hub.domain.fiscal_events.checks import check_signature
from hub.domain.fiscal_events.facts import Facts
from hub.domain.fiscal_events.model import (
    PREFIXES,
    AddSignature,
    BytesToSign,
    OriginSignature,
    Posting,
    Signature,
)
from hub.domain.registry import Caller, SystemCaller
from hub.errors import Conflict, InvalidInput, NotFound, Problem
from hub.kit.ids import new_id
from hub.signing import COMMENTS_LENGTH_MAX, Digest, NotCanonical, Purpose, Statement, instant_text


async def add_signature(tx: Transaction, caller: Caller, command: AddSignature) -> Signature:
    """Add one signature; the same again (purpose and comment) by the same system answers the stored one.

    Refuses: a posting the system cannot see, ORIGIN (the sender's own, made by posting), a rejection without
    a comment, a key that is not the system's or not valid now, a time more than five minutes off, bytes that
    do not verify, and the same purpose with another comment.
    """
    system = registry.require_system(caller)
    posting = await _seen(tx, system, command)
    stored = await _find(tx, system, posting, command.purpose)
    if stored is not None and stored.e_sign == command.e_sign:
        return _same(stored, command)
    problems = _shape(command)
    if problems:
        raise InvalidInput(problems)
    statement = _statement(system, posting, command)
    facts = Facts(await registry.get_tenant(tx, system.tenant_id), system, tx.now)
    key = await registry.signing_key(tx, command.key_id)
    if key is not None:
        facts.keys[command.key_id] = key
    sent = OriginSignature(command.key_id, command.signed_at, command.e_sign)
    problems = [
        Problem(problem.code, problem.message, problem.path[1:])
        for problem in check_signature(facts, sent, statement, content=posting.content)
    ]
    if problems:
        raise InvalidInput(problems)
    if stored is not None:
        return _same(stored, command)
    return await _store(tx, system, posting, command, statement.bytes())


async def signature_bytes(tx: Transaction, caller: Caller, command: AddSignature) -> BytesToSign:
    """The bytes to sign for ``add_signature``; without the content where it holds what the caller may not read."""
    system = registry.require_system(caller)
    posting = await _seen(tx, system, command)
    problems = _shape(command)
    if problems:
        raise InvalidInput(problems)
    statement = _statement(system, posting, command)
    hidden = await masking.withheld(tx, system, posting.tenant_id, [posting.id])
    content = None if hidden else posting.content
    return BytesToSign(content, Digest(posting.content_digest).text, statement.bytes())


async def _seen(tx: Transaction, system: SystemCaller, command: AddSignature) -> Posting:
    found = await store.find_postings(tx, system.tenant_id, {command.posting_id}, access.visible(system))
    posting = found.get(command.posting_id)
    if posting is None or PREFIXES[posting.kind] != command.posting_prefix:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "id")
    return posting


def _shape(command: AddSignature) -> list[Problem]:
    problems = []
    if command.purpose is Purpose.ORIGIN:
        problems.append(Problem(Code.SIGNATURE_PURPOSE, "the origin is signed by posting", ("purpose",)))
    if command.purpose is Purpose.REJECTION and not command.comments.strip():
        code = Code.SIGNATURE_COMMENT_REQUIRED
        problems.append(Problem(code, code.summary, ("comments",)))
    if len(command.comments) > COMMENTS_LENGTH_MAX:
        message = f"comments have at most {COMMENTS_LENGTH_MAX} characters"
        problems.append(Problem(Code.TEXT, message, ("comments",)))
    return problems


def _statement(system: SystemCaller, posting: Posting, command: AddSignature) -> Statement:
    try:
        return Statement(
            body_digest=Digest(posting.content_digest),
            comments=command.comments,
            key_id=f"sgk_{command.key_id}",
            purpose=command.purpose,
            signed_at=instant_text(command.signed_at),
            system=system.unique_id,
        )
    except NotCanonical as refused:
        problem = Problem(Code.TEXT_NOT_NFC, refused.violations[0].message, ("comments",))
        raise InvalidInput(problem) from refused


async def _find(
    tx: Transaction, system: SystemCaller, posting: Posting, purpose: Purpose
) -> Signature | None:
    t = tables.posting_signature
    rows = await tx.rows(
        select(t).where(
            t.c.tenant_id == posting.tenant_id,
            t.c.posting_id == posting.id,
            t.c.system_id == system.system_id,
            t.c.purpose == purpose.value,
        )
    )
    row = rows.first()
    return store.signature_of(row) if row is not None else None


def _same(stored: Signature, command: AddSignature) -> Signature:
    if stored.comments != command.comments:
        raise Conflict.because(Code.SIGNATURE_PURPOSE, Code.SIGNATURE_PURPOSE.summary, "purpose")
    return stored


async def _store(
    tx: Transaction, system: SystemCaller, posting: Posting, command: AddSignature, statement: bytes
) -> Signature:
    signature = Signature(
        posting_id=posting.id,
        id=new_id(),
        system_id=system.system_id,
        system=system.unique_id,
        key_id=command.key_id,
        purpose=command.purpose,
        comments=command.comments,
        signed_at=command.signed_at,
        received_at=tx.now,
        statement=statement,
        e_sign=command.e_sign,
    )
    if await store.insert_signature(tx, posting.tenant_id, signature):
        return signature
    winner = await _find(tx, system, posting, command.purpose)
    if winner is None:
        raise LookupError("a signature that was in the way is not there")
    return _same(winner, command)
