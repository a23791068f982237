"""Documents behind attachments: uploaded first, named by digest, kept in the database up to 10 MiB each."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, select
from sqlalchemy.dialects.postgresql import insert

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import registry
from hub.domain.fiscal_events import access, tables
from hub.domain.fiscal_events.rules import DOCUMENT_BYTES_MAX, MEDIA_TYPES, is_sha256
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.domain.registry import Caller, SystemRole
from hub.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document, without its bytes."""

    sha256: str
    media_type: str
    size_bytes: int
    uploaded_at: datetime


async def upload(
    tx: Transaction, caller: Caller, *, sha256: str, media_type: str, content: bytes
) -> Document:
    """Keep a document for later attachment; the stated digest must be the bytes' own.

    Uploading the same bytes again answers the stored document.
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
    t = tables.document
    await tx.execute(
        insert(t)
        .values(
            tenant_id=system.tenant_id,
            system_id=system.system_id,
            sha256=digest,
            media_type=media_type,
            size_bytes=len(content),
            bytes=content,
            uploaded_at=tx.now,
        )
        .on_conflict_do_nothing()
    )
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
    read: Read, caller: Caller, kind: PostingKind, posting_id: uuid.UUID, sha256: str
) -> bytes | None:
    """The bytes of a document attached to a posting the caller can see, else None; refuses nobody."""
    if not is_sha256(sha256):
        raise InvalidInput.because(Code.ATTACHMENT_DIGEST, "sha256 is 64 lower-case hex digits", "sha256")
    registry.require_known(caller)
    posting, attachment, document = tables.posting, tables.posting_attachment, tables.document
    found: bytes | None = await read.scalar(
        select(document.c.bytes)
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
    return found
