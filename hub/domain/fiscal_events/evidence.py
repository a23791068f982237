"""Evidence: everything that proves one posting, in one file that is checked without the hub (docs/evidence.md)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from hub.db import Read
from hub.domain import registry, transparency
from hub.domain.fiscal_events import masking, reading, store
from hub.domain.fiscal_events.leaves import POSTINGS, SIGNATURES
from hub.domain.fiscal_events.model import PREFIXES, Posting, Signature
from hub.domain.registry import HISTORY, Caller
from hub.domain.transparency import FactSource, Inclusion
from hub.errors import Corrupted
from hub.kit.ids import public_id
from hub.means import Means
from hub.signing import Digest, NoteKey, Purpose, base64_text, public_key
from hub.signing.evidence import SIGNATURE, evidence_statement, evidence_text
from hub.signing.leaves import commitment

FORMAT = "FXH-EVIDENCE-V1"


async def evidence(read: Read, means: Means, caller: Caller, posting: Posting) -> str:
    """The evidence file of a posting the caller was let see, as canonical JSON, signed by the hub as a whole.

    Raises NotInLog while the posting, one of its signatures or its keys' history waits for a number; Corrupted when
    rows are not those their leaves commit to. The content is left out for those who may not read all of it.
    """
    tenant, ids = posting.tenant_id, [posting.id]
    signatures = (await reading.signatures_of(read, tenant, ids))[posting.id]
    receipt = (await store.find_receipts(read, tenant, ids))[posting.id]
    added = [signature.id for signature in signatures if signature.purpose is not Purpose.ORIGIN]
    keys = await registry.signing_keys(read, {signature.key_id for signature in signatures})
    lines = await registry.key_lines(read, tenant, sorted(keys))
    found = await transparency.list_inclusions(read, [*ids, *added, *lines])
    leaves = [
        *await _leaves(read, POSTINGS, found[:1], ()),
        *await _leaves(read, SIGNATURES, found[1 : 1 + len(added)], ("row",)),
        *await _leaves(read, HISTORY, found[1 + len(added) :], ("row",)),
    ]
    checkpoint = found[0].checkpoint
    hidden = await masking.withheld(read, caller, tenant, ids)
    members: dict[str, Any] = {
        "format": FORMAT,
        "hub": {
            "domain": means.domain,
            "keyId": receipt.key_id,
            "logKey": NoteKey(means.log_origin, means.log_key.public).text,
            "publicKey": means.signing_key.public.base64,
        },
        "posting": {
            "content": None if hidden else base64_text(posting.content),
            "contentDigest": Digest(posting.content_digest).text,
            "id": public_id(PREFIXES[posting.kind], posting.id),
        },
        "receipt": {
            "signature": base64_text(receipt.signature),
            "statement": base64_text(receipt.statement),
        },
        "signatures": [_signature(signature) for signature in signatures],
        "keys": [
            {
                "id": public_id("sgk", key.id),
                "publicKey": public_key(key.public_key).base64,
                "system": key.unique_id,
            }
            for key in sorted(keys.values(), key=lambda key: key.id)
        ],
        "leaves": leaves,
        "checkpoint": checkpoint.note + "".join(await transparency.list_cosignatures(read, checkpoint.size)),
    }
    signature = means.signing_key.sign(evidence_statement(members, receipt.key_id))
    return evidence_text({**members, SIGNATURE: base64_text(signature)})


async def _leaves(
    read: Read, source: FactSource, inclusions: Sequence[Inclusion], opened: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Each leaf with what it commits to; the parts named are shown in full, of the others their digests."""
    leaves = [inclusion.leaf for inclusion in inclusions]
    rows = await read.fetch(
        source.sql, [leaf.tenant_id for leaf in leaves], [leaf.fact_id for leaf in leaves]
    )
    by_id = {row["fact_id"]: row for row in rows}
    return [_leaf(source, inclusion, by_id.get(inclusion.leaf.fact_id), opened) for inclusion in inclusions]


def _leaf(source: FactSource, inclusion: Inclusion, row: Any, opened: tuple[str, ...]) -> dict[str, Any]:
    leaf = inclusion.leaf
    record = b"" if row is None else source.record(leaf.kind, row).bytes()
    if commitment(leaf.nonce, record) != leaf.commitment:
        raise Corrupted("the rows of a fact are not those its leaf commits to")
    return {
        "logIndex": str(leaf.log_index),
        "nonce": base64_text(leaf.nonce),
        "opened": {name: row[name] for name in opened},
        "path": [base64_text(part) for part in inclusion.path],
        "record": base64_text(record),
    }


def _signature(signature: Signature) -> dict[str, Any]:
    """A signature; an added one by the id its leaf has, the sender's own by none, for its leaf is the posting's."""
    path = signature.batch_path or b""
    batch = None
    if signature.batch_index is not None:
        batch = {
            "index": str(signature.batch_index),
            "path": [base64_text(path[at : at + 32]) for at in range(0, len(path), 32)],
            "size": str(signature.batch_size),
        }
    return {
        "batch": batch,
        "eSign": base64_text(signature.e_sign),
        "id": None if signature.purpose is Purpose.ORIGIN else public_id("sig", signature.id),
        "keyId": public_id("sgk", signature.key_id),
        "statement": base64_text(signature.statement),
    }


def file_name(posting_id: uuid.UUID) -> str:
    """What to call the file."""
    return f"evidence-{posting_id}.json"
