"""A batch signed once: its tree of content digests, the sender's statement about the root, each item's proof. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hub.codes import Code
from hub.domain.fiscal_events.model import OriginSignature, Post
from hub.errors import InvalidInput, Problem, RequestProblem
from hub.signing import BatchProof, BatchStatement, Digest, Tree, batch_tree, instant_text

AT = ("input", "signature")


@dataclass(slots=True)
class BatchSeal:
    """The one signature that all items of a batch share, as sent and in order.

    ``tree`` and ``statement`` are None while an item (``unreadable``, the first one) has no canonical bytes: there is
    no root then, and nobody can have signed it. ``found`` keeps the verdict on the signature, which is reached once.
    """

    sent: OriginSignature
    tree: Tree | None = None
    statement: BatchStatement | None = None
    unreadable: int | None = None
    found: tuple[Problem, ...] | None = None

    @classmethod
    def over(cls, digests: Sequence[Digest | None], sent: OriginSignature, system: str) -> Self:
        """The seal of a batch whose items have these content digests; every item counts, whatever becomes of it."""
        known = [digest for digest in digests if digest is not None]
        if len(known) < len(digests):
            return cls(sent, unreadable=digests.index(None))
        tree = batch_tree(known)
        statement = BatchStatement(
            items=tree.size,
            key_id=f"sgk_{sent.key_id}",
            root=Digest(tree.root),
            signed_at=instant_text(sent.signed_at),
            system=system,
        )
        return cls(sent, tree, statement)

    def proof(self, place: int) -> BatchProof:
        """How the item at this place is proven to be under the signed root."""
        assert self.tree is not None
        return BatchProof(place, self.tree.size, self.tree.inclusion(place))


def shared_signature(commands: Sequence[Post]) -> OriginSignature | None:
    """The signature over the whole batch, or None where each item has its own; refuses a mixture."""
    shared = {command.signature for command in commands if command.signed_in_batch}
    if not shared:
        return None
    if len(shared) > 1 or not all(command.signed_in_batch for command in commands):
        raise InvalidInput.because(Code.SIGNATURE_TWICE, Code.SIGNATURE_TWICE.summary, "signature")
    return shared.pop()


def unsigned(place: int) -> Problem:
    """What is wrong with a batch signature over items of which one has no canonical bytes."""
    message = f"there is no root to sign: item {place} has no canonical bytes"
    return RequestProblem(Code.SIGNATURE_INVALID, message, (*AT, "eSign"))
