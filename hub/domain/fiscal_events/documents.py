"""Documents behind attachments: uploaded first, named by digest, kept in the database up to 10 MiB each.

Each is sealed under a key of its own, so that it can be erased; digest, type and size of an erased one stay.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, select
from sqlalchemy.dialects.postgresql import insert

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import registry, retention
from hub.domain.fiscal_events import access, tables
from hub.domain.fiscal_events.rules import DOCUMENT_BYTES_MAX, MEDIA_TYPES, is_sha256
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.domain.registry import Caller, SystemRole
from hub.domain.retention import Erased, Place
from hub.errors import Corrupted, InvalidInput, Problem
from hub.means import Means


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document, without its bytes."""

    sha256: str
    media_type: str
    size_bytes: int
    uploaded_at: datetime


async def upload(
    tx: Transaction, means: Means, caller: Caller, *, sha256: str, media_type: str, content: bytes
) -> Document:
    """Keep a document for later attachment; the stated digest must be the bytes' own.

    Uploading the same bytes again answers the stored document. Raises Erased when it was erased: for good.
    """
    system = registry.require_system(caller, SystemRole.PROVIDER)
    problems = []
    if media_type not in MEDIA_TYPES:
        problems.append(Problem(Code.ATTACHMENT_TYPE, Code.ATTACHMENT_TYPE.summary, ("mediaType",)))
    if not 1 <= len(content) <= DOCUMENT_BYTES_MAX:
        problems.append(Problem(Code.ATTACHMENT_SIZE, Code.ATTACHMENT_SIZE.summary, ("content",)))
    digest = hashlib.sha256(content).digest()
    if digest.hex() != sha256:
        problems.append(Problem(Code.ATTACHMENT_DIGEST, Code.ATTACHMENT_DIGEST.summary, ("sha256",)))
    if problems:
        raise InvalidInput(problems)
    t, at = tables.document, Place(system.tenant_id, system.system_id, sha256)
    envelope, key = retention.seal_value(means, at, content)
    inserted = await tx.rows(
        insert(t)
        .values(
            tenant_id=system.tenant_id,
            system_id=system.system_id,
            sha256=digest,
            media_type=media_type,
            size_bytes=len(content),
            bytes=envelope,
            uploaded_at=tx.now,
        )
        .on_conflict_do_nothing()
        .returning(t.c.sha256)
    )
    if inserted.first() is not None:
        await retention.keep_keys(tx, [key])
    elif await retention.erased(tx, at):
        raise Erased.because(Code.ERASED, "this document was erased; it is not taken again", "sha256")
    rows = await tx.rows(
        select(t.c.media_type, t.c.size_bytes, t.c.uploaded_at).where(
            t.c.tenant_id == system.tenant_id, t.c.system_id == system.system_id, t.c.sha256 == digest
        )
    )
    stored = rows.one()
    if stored.media_type != media_type:
        message = f"these bytes are stored as {stored.media_type}"
        raise InvalidInput.because(Code.ATTACHMENT_TYPE, message, "mediaType")
    return Document(sha256, stored.media_type, stored.size_bytes, stored.uploaded_at)


async def find_bytes(
    read: Read, means: Means, caller: Caller, kind: PostingKind, posting_id: uuid.UUID, sha256: str
) -> bytes | None:
    """The bytes of a document attached to a posting the caller can see, else None; refuses nobody.

    Raises Erased when it was; Corrupted when what is there is not what was uploaded.
    """
    if not is_sha256(sha256):
        raise InvalidInput.because(Code.ATTACHMENT_DIGEST, "sha256 is 64 lower-case hex digits", "sha256")
    registry.require_known(caller)
    posting, attachment, document = tables.posting, tables.posting_attachment, tables.document
    rows = await read.rows(
        select(document.c.tenant_id, document.c.system_id, document.c.bytes)
        .select_from(
            posting.join(
                document,
                and_(
                    document.c.tenant_id == posting.c.tenant_id,
                    document.c.system_id == posting.c.sender_id,
                ),
            )
        )
        .where(
            posting.c.id == posting_id,
            posting.c.kind == kind.value,
            access.visible(caller),
            document.c.sha256 == bytes.fromhex(sha256),
            exists().where(
                attachment.c.tenant_id == posting.c.tenant_id,
                attachment.c.posting_id == posting.c.id,
                attachment.c.sha256 == document.c.sha256,
            ),
        )
    )
    found = rows.first()
    if found is None:
        return None
    at = Place(found.tenant_id, found.system_id, sha256)
    wrapped = await retention.find_key(read, at)
    if wrapped is None:
        if await retention.erased(read, at):
            raise Erased.because(Code.ERASED, Code.ERASED.summary, "sha256")
        raise Corrupted("a document has lost its key, and no fact says that it was erased")
    clear = retention.open_value(means, at, found.bytes, wrapped)
    if hashlib.sha256(clear).hexdigest() != sha256:
        raise Corrupted("a document is not the one its digest names")
    return clear
