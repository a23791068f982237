"""Shapes of the log: checkpoints and proofs."""

from __future__ import annotations

import strawberry

from hub.context import Info
from hub.domain.fiscal_events import PostingProof
from hub.domain.transparency import LeafKind, LogCheckpoint as CheckpointValue, entry_of, list_cosignatures
from hub.schema.scalars import BigInt, Bytes, Instant

# The class itself becomes the GraphQL enum, so annotations name the domain's type.
strawberry.enum(LeafKind, description="What a leaf of the log stands for.")


@strawberry.type(description="A signed head of the log's Merkle tree (RFC 6962, C2SP tlog-checkpoint).")
class LogCheckpoint:
    size: BigInt = strawberry.field(description="How many leaves the tree has.")
    root: Bytes = strawberry.field(description="The root over them, 32 bytes.")
    note: str = strawberry.field(description="The signed note; its text never changes.")
    signed_at: Instant

    @strawberry.field(
        description="Witnesses' lines under the note (C2SP tlog-cosignature); more may come later."
    )
    async def cosignatures(self, info: Info) -> list[str]:
        async with info.context.db.read() as read:
            return await list_cosignatures(read, int(self.size))

    @classmethod
    def of(cls, value: CheckpointValue) -> LogCheckpoint:
        return cls(
            size=BigInt(value.size),
            root=Bytes(value.root),
            note=value.note,
            signed_at=Instant(value.signed_at),
        )


@strawberry.type(description="That a posting is in the log, and what its leaf commits to.")
class LogProof:
    log_index: BigInt = strawberry.field(description="The posting's number: gap-free, in the log's order.")
    kind: LeafKind
    sequenced_at: Instant
    record: Bytes = strawberry.field(
        description="FXH-FACT-V1: what the posting is made of, a SHA-256 for each part."
    )
    nonce: Bytes = strawberry.field(
        description="32 bytes; SHA-256 over FXH-COMMITMENT-V1, a line feed, nonce and record is the commitment."
    )
    entry: Bytes = strawberry.field(description="FXH-LEAF-V1: the leaf's data, which names the commitment.")
    path: list[Bytes] = strawberry.field(description="From the leaf's hash up to the root (RFC 6962, 2.1.1).")
    checkpoint: LogCheckpoint

    @classmethod
    def of(cls, value: PostingProof) -> LogProof:
        leaf = value.inclusion.leaf
        return cls(
            log_index=BigInt(leaf.log_index),
            kind=leaf.kind,
            sequenced_at=Instant(leaf.sequenced_at),
            record=Bytes(value.record),
            nonce=Bytes(leaf.nonce),
            entry=Bytes(entry_of(leaf)),
            path=[Bytes(part) for part in value.inclusion.path],
            checkpoint=LogCheckpoint.of(value.inclusion.checkpoint),
        )


@strawberry.type(description="Everything that proves one posting, in a file that is checked without the hub.")
class Evidence:
    file_name: str
    json: str = strawberry.field(
        description="The file, byte for byte: FXH-EVIDENCE-V1, as docs/evidence.md describes it."
    )
