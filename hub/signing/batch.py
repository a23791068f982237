"""One signature over many contents: a statement about the Merkle root of their digests, provable one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from hub.signing.canonical import INTEGER_MAX
from hub.signing.envelope import KEY_ID_LENGTH_MAX, SYSTEM_LENGTH_MAX, Purpose, verify
from hub.signing.errors import (
    FrameRefused,
    ProofRefused,
    SignatureInvalid,
    StatementRefused,
    TextRefused,
    Violation,
)
from hub.signing.framing import Digest, Domain, content_digest, frame, unframe
from hub.signing.keys import PublicKey
from hub.signing.merkle import Tree, leaf_hash, root_of
from hub.signing.texts import instant_of

# The statement has a method `bytes`, which hides the type of that name inside the class.
Octets: TypeAlias = bytes

_VERSION = "1"
_NAMES = frozenset({"items", "keyId", "purpose", "root", "signedAt", "system", "v"})


def batch_tree(digests: Iterable[Digest]) -> Tree:
    """The tree that a batch is signed over: a leaf per content, its data the 32 bytes of the content digest."""
    return Tree.of(digest.raw for digest in digests)


@dataclass(frozen=True, slots=True)
class BatchStatement:
    """What a system signs about a whole batch: how many contents, and the root of the tree of their digests.

    Only ever the sender's own seal, so its purpose is ORIGIN. `items` is at least 1; the other members are as in
    Statement.

    Raises StatementRefused STATEMENT_MEMBER with a violation per bad member; NotCanonical for text that is not NFC.
    """

    items: int
    key_id: str
    root: Digest
    signed_at: str
    system: str
    _octets: Octets = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        violations = [
            Violation("STATEMENT_MEMBER", (name,), message) for name, message in _broken_members(self)
        ]
        if violations:
            raise StatementRefused(violations)
        members = {
            "items": self.items,
            "keyId": self.key_id,
            "purpose": Purpose.ORIGIN.value,
            "root": self.root.text,
            "signedAt": self.signed_at,
            "system": self.system,
            "v": _VERSION,
        }
        object.__setattr__(self, "_octets", frame(Domain.BATCH_SIGNATURE, members))

    def bytes(self) -> Octets:
        """What Ed25519 signs: `FXH-BATCH-SIGNATURE-V1`, line feed, the canonical members."""
        return self._octets

    @classmethod
    def read(cls, data: Octets) -> Self:
        """The statement whose bytes these are; raises StatementRefused, FrameRefused or NotCanonical."""
        found, members = unframe(data)
        if found is not Domain.BATCH_SIGNATURE:
            named = Domain.BATCH_SIGNATURE.value
            raise FrameRefused.of("FRAME_DOMAIN", f"the bytes are of {found.value}, not of {named}")
        if not isinstance(members, dict) or set(members) != _NAMES or members["v"] != _VERSION:
            listed = ", ".join(sorted(_NAMES - {"v"}))
            raise StatementRefused.of("STATEMENT_MEMBERS", f"the members are not {listed} and v {_VERSION}")
        if members["purpose"] != Purpose.ORIGIN.value:
            raise StatementRefused.of("STATEMENT_MEMBER", "a batch is signed as ORIGIN", ("purpose",))
        try:
            root = Digest.parse(str(members["root"]))
        except TextRefused:
            message = "not sha256: and 64 lower-case hex digits"
            raise StatementRefused.of("STATEMENT_MEMBER", message, ("root",)) from None
        return cls(members["items"], members["keyId"], root, members["signedAt"], members["system"])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class BatchProof:
    """Where a content stands in its batch (`index` from 0 of `size`), and its path to the root."""

    index: int
    size: int
    path: tuple[bytes, ...]


def verify_batch(
    public_key: PublicKey,
    statement: BatchStatement,
    signature: bytes | str,
    *,
    content: bytes,
    proof: BatchProof,
) -> None:
    """Returns if the key signed this batch and the batch holds this content at this place.

    `content` is the framed content as stored; never one rebuilt from columns.

    1. The content begins with the domain line of an event or a message (FrameRefused FRAME_NOT_CONTENT).
    2. The proof is of a batch of as many items as the statement says (SignatureInvalid, reason PROOF).
    3. From the digest of the stored bytes the path leads to the statement's `root` (reason PROOF).
    4. The signature over the statement's bytes holds (`verify`; SignatureInvalid).

    What remains the caller's is what `verify_statement` leaves to him.
    """
    # 1. content, and not something else of the same digest length
    digest = content_digest(content)
    # 2. the size that was signed
    if proof.size != statement.items:
        raise SignatureInvalid.because("PROOF", "the proof is of a batch of another size")
    # 3. the path
    verify_path(digest, proof, statement.root)
    # 4. the signature
    verify(public_key, statement.bytes(), signature)


def verify_path(digest: Digest, proof: BatchProof, root: Digest) -> None:
    """Returns if the path leads from this content digest to this root; else SignatureInvalid, reason PROOF."""
    try:
        found = root_of(leaf_hash(digest.raw), proof.index, proof.size, proof.path)
    except ProofRefused as refused:
        raise SignatureInvalid.because("PROOF", refused.violations[0].message) from None
    if found != root.raw:
        raise SignatureInvalid.because("PROOF", "the batch that was signed does not hold this content here")


def _broken_members(statement: BatchStatement) -> Iterator[tuple[str, str]]:
    items: object = statement.items
    if not isinstance(items, int) or isinstance(items, bool) or not 1 <= items <= INTEGER_MAX:
        yield "items", f"not an integer from 1 to {INTEGER_MAX}"
    for name, member, most in (
        ("keyId", statement.key_id, KEY_ID_LENGTH_MAX),
        ("system", statement.system, SYSTEM_LENGTH_MAX),
    ):
        if not isinstance(member, str) or not 1 <= len(member) <= most:
            yield name, f"not a text of 1 to {most} characters"
    if not isinstance(statement.root, Digest):
        yield "root", "not a Digest"
    try:
        instant_of(statement.signed_at if isinstance(statement.signed_at, str) else "")
    except TextRefused:
        yield "signedAt", "not an instant in its one text form"
