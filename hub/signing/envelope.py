"""Signed statements about content: what is said, sealing it with a key, and verifying a detached signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Protocol, Self, TypeAlias, TypeVar
from uuid import UUID

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from hub.signing.canonical import canonical
from hub.signing.errors import FrameRefused, SignatureInvalid, StatementRefused, TextRefused, Violation
from hub.signing.framing import Digest, Domain, content_digest, frame, unframe
from hub.signing.keys import GROUP_ORDER, HubKey, PublicKey, is_reduced, is_small_order, public_key
from hub.signing.texts import base64_of, base64_text, instant_of, instant_text

SIGNATURE_BYTES = 64
KEY_ID_LENGTH_MAX = 128
SYSTEM_LENGTH_MAX = 255
TENANT_LENGTH_MAX = 255
CHALLENGE_LENGTH_MAX = 255
LOG_LENGTH_MAX = 255
COMMENTS_LENGTH_MAX = 2_000

# The statements below have a method `bytes`, which hides the type of that name inside their classes.
Octets: TypeAlias = bytes

_VERSION = "1"
_PROMISING = "2"
_EnumT = TypeVar("_EnumT", bound=StrEnum)


class Purpose(StrEnum):
    """What a signer says about content (spec 3.6); ORIGIN is the sender's own seal."""

    ORIGIN = "ORIGIN"
    ACKNOWLEDGEMENT = "ACKNOWLEDGEMENT"
    APPROVAL = "APPROVAL"
    REJECTION = "REJECTION"


class Sealable(Protocol):
    """Anything that has one byte string to sign."""

    def bytes(self) -> Octets:
        """The framed canonical bytes."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a system signs about content (spec 3.6): the content's digest, and everything said beside it.

    `signed_at` is the text as signed (`instant_text`, or the same with the signer's offset); `comments` may be empty,
    2,000 characters at most; `key_id` 1 to 128, `system` 1 to 255 characters.

    Raises StatementRefused STATEMENT_MEMBER with a violation per bad member; NotCanonical for text that is not NFC.
    """

    body_digest: Digest
    comments: str
    key_id: str
    purpose: Purpose
    signed_at: str
    system: str
    _octets: Octets = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        violations = [
            *_wrong_type("bodyDigest", self.body_digest, Digest),
            *_wrong_type("purpose", self.purpose, Purpose),
            *_wrong_length("comments", self.comments, 0, COMMENTS_LENGTH_MAX),
            *_wrong_length("keyId", self.key_id, 1, KEY_ID_LENGTH_MAX),
            *_wrong_length("system", self.system, 1, SYSTEM_LENGTH_MAX),
            *_wrong_instant("signedAt", self.signed_at),
        ]
        _raise_if_any(violations)
        object.__setattr__(self, "_octets", frame(Domain.BODY_SIGNATURE, self._members()))

    def _members(self) -> dict[str, str]:
        return {
            "bodyDigest": self.body_digest.text,
            "comments": self.comments,
            "keyId": self.key_id,
            "purpose": self.purpose.value,
            "signedAt": self.signed_at,
            "system": self.system,
            "v": _VERSION,
        }

    def bytes(self) -> Octets:
        """What Ed25519 signs: `FXH-BODY-SIGNATURE-V1`, line feed, the canonical members."""
        return self._octets

    @classmethod
    def read(cls, data: Octets) -> Self:
        """The statement whose bytes these are; raises StatementRefused, FrameRefused or NotCanonical."""
        names = ("bodyDigest", "comments", "keyId", "purpose", "signedAt", "system")
        members = _read_members(data, Domain.BODY_SIGNATURE, names)
        return cls(
            body_digest=_read_digest("bodyDigest", members["bodyDigest"]),
            comments=members["comments"],
            key_id=members["keyId"],
            purpose=_read_enum("purpose", members["purpose"], Purpose),
            signed_at=members["signedAt"],
            system=members["system"],
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the hub signs when it has committed a posting: this content, from this system, got this id at this instant.

    With `log` (the log's origin) and `in_log_by` it also promises to be in that log by then (version 2); both or none.

    Raises StatementRefused STATEMENT_MEMBER with a violation per bad member; NotCanonical for text that is not NFC.
    """

    posting_id: UUID
    content_digest: Digest
    posted_at: datetime
    tenant: str
    system: str
    key_id: str
    log: str | None = None
    in_log_by: datetime | None = None
    _octets: Octets = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        posted_at = _instant_text(self.posted_at)
        promised = () if self.log is None and self.in_log_by is None else (self.log, self.in_log_by)
        by = _instant_text(self.in_log_by) if self.in_log_by is not None else ""
        violations = [
            *_wrong_type("postingId", self.posting_id, UUID),
            *_wrong_type("contentDigest", self.content_digest, Digest),
            *_wrong_length("tenant", self.tenant, 1, TENANT_LENGTH_MAX),
            *_wrong_length("system", self.system, 1, SYSTEM_LENGTH_MAX),
            *_wrong_length("keyId", self.key_id, 1, KEY_ID_LENGTH_MAX),
            *([posted_at] if isinstance(posted_at, Violation) else ()),
            *([by] if isinstance(by, Violation) else ()),
            *(_wrong_length("log", self.log, 1, LOG_LENGTH_MAX) if promised else ()),
            *(_wrong_type("inLogBy", self.in_log_by, datetime) if promised else ()),
        ]
        _raise_if_any(violations)
        members = self._members(str(posted_at))
        if promised:
            members |= {"inLogBy": str(by), "log": str(self.log), "v": _PROMISING}
        domain = Domain.PROMISING_RECEIPT if promised else Domain.RECEIPT
        object.__setattr__(self, "_octets", frame(domain, members))

    def _members(self, posted_at: str) -> dict[str, str]:
        return {
            "contentDigest": self.content_digest.text,
            "keyId": self.key_id,
            "postedAt": posted_at,
            "postingId": str(self.posting_id),
            "system": self.system,
            "tenant": self.tenant,
            "v": _VERSION,
        }

    def bytes(self) -> Octets:
        """What the hub's key signs: `FXH-RECEIPT-V2` (without a promise V1), line feed, the canonical members."""
        return self._octets

    @classmethod
    def read(cls, data: Octets) -> Self:
        """The receipt whose bytes these are; raises StatementRefused, FrameRefused or NotCanonical."""
        names = ("contentDigest", "keyId", "postedAt", "postingId", "system", "tenant")
        is_promising = data.startswith(Domain.PROMISING_RECEIPT.line)
        if is_promising:
            promised = (*names, "inLogBy", "log")
            members = _read_members(data, Domain.PROMISING_RECEIPT, promised, version=_PROMISING)
        else:
            members = _read_members(data, Domain.RECEIPT, names)
        receipt = cls(
            posting_id=_read_uuid("postingId", members["postingId"]),
            content_digest=_read_digest("contentDigest", members["contentDigest"]),
            posted_at=_read_instant("postedAt", members["postedAt"]),
            tenant=members["tenant"],
            system=members["system"],
            key_id=members["keyId"],
            log=members["log"] if is_promising else None,
            in_log_by=_read_instant("inLogBy", members["inLogBy"]) if is_promising else None,
        )
        if receipt.bytes() != data:
            raise StatementRefused.of("STATEMENT_MEMBER", "a receipt's instants are UTC", ("postedAt",))
        return receipt


@dataclass(frozen=True, slots=True)
class Possession:
    """What a system signs with a key it registers: that it holds the private half, answering the hub's challenge.

    `challenge` is the hub's, used once; its freshness is the caller's to check. Raises as Statement does.
    """

    system: str
    key_id: str
    public_key: PublicKey
    challenge: str

    def __post_init__(self) -> None:
        violations = [
            *_wrong_length("system", self.system, 1, SYSTEM_LENGTH_MAX),
            *_wrong_length("keyId", self.key_id, 1, KEY_ID_LENGTH_MAX),
            *_wrong_type("publicKey", self.public_key, PublicKey),
            *_wrong_length("challenge", self.challenge, 1, CHALLENGE_LENGTH_MAX),
        ]
        _raise_if_any(violations)
        canonical(self._members())

    def _members(self) -> dict[str, str]:
        return {
            "challenge": self.challenge,
            "keyId": self.key_id,
            "publicKey": self.public_key.base64,
            "system": self.system,
            "v": _VERSION,
        }

    def bytes(self) -> Octets:
        """What the new key signs: `FXH-KEY-POSSESSION-V1`, line feed, the canonical members."""
        return frame(Domain.KEY_POSSESSION, self._members())

    @classmethod
    def read(cls, data: Octets) -> Self:
        """The proof whose bytes these are; raises StatementRefused, KeyRefused, FrameRefused or NotCanonical."""
        members = _read_members(data, Domain.KEY_POSSESSION, ("challenge", "keyId", "publicKey", "system"))
        key = public_key(members["publicKey"])
        return cls(members["system"], members["keyId"], key, challenge=members["challenge"])


def seal(key: HubKey, statement: Sealable) -> bytes:
    """The 64-byte detached signature of `key` over the statement's bytes."""
    return key.sign(statement.bytes())


def signature_text(signature: bytes) -> str:
    """A signature as it travels: base64, standard alphabet, padded (88 characters)."""
    return base64_text(signature)


def verify(public_key: PublicKey, message: bytes, signature: bytes | str) -> None:
    """Returns if `signature` (64 bytes, or their base64) is the key's over exactly `message`; else SignatureInvalid.

    Stricter than RFC 8032 section 5.1.7 asks, so that every verifier agrees and no second signature can be made from
    a first one.

    1. A text signature is base64 in its one form.
    2. It has 64 bytes: R, then S.
    3. S lies below the group order.
    4. R is no point of small order.
    5. R is encoded canonically.
    6. S·B = R + h·A, compared as bytes (libsodium). The key was found sound when PublicKey was made.
    """
    # 1. one spelling
    if isinstance(signature, str):
        try:
            signature = base64_of(signature)
        except TextRefused:
            raise SignatureInvalid.because("BASE64", "the signature is not base64 in its one form") from None
    # 2. length
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid.because("LENGTH", f"a signature has {SIGNATURE_BYTES} bytes")
    point, scalar = signature[:32], signature[32:]
    # 3. S below the group order
    if int.from_bytes(scalar, "little") >= GROUP_ORDER:
        raise SignatureInvalid.because("S_RANGE", "S is not below the group order")
    # 4. R not of small order
    if is_small_order(point):
        raise SignatureInvalid.because("R_SMALL_ORDER", "R is a point of small order")
    # 5. R canonical
    if not is_reduced(point):
        raise SignatureInvalid.because("R_ENCODING", "R is not encoded canonically")
    # 6. the equation
    try:
        crypto_sign_open(signature + message, public_key.raw)
    except BadSignatureError:
        raise SignatureInvalid.because(
            "MISMATCH", "the signature is not this key's over these bytes"
        ) from None


def verify_statement(
    public_key: PublicKey, statement: Statement, signature: bytes | str, *, content: bytes
) -> None:
    """Returns if the key signed this statement and the statement speaks of this content.

    `content` is the framed content as stored; never one rebuilt from columns.

    1. The content begins with the domain line of an event or a message (FrameRefused FRAME_NOT_CONTENT).
    2. The SHA-256 of the stored bytes is the statement's `bodyDigest` (SignatureInvalid, reason DIGEST).
    3. The statement is written as its one byte string.
    4. The signature over these bytes holds (`verify`; SignatureInvalid).

    What remains the caller's:
    5. `public_key` is the one registered for `statement.system` under `statement.key_id`.
    6. The key's state and window allow it: `KeyWindow.usable_at` for a new signature, `covers` for a stored one.
    7. The system may sign this posting at all, and for this purpose (SIGNER_NOT_ALLOWED).
    8. `signed_at` lies within five minutes of arrival (SIGNATURE_TIME).
    9. A REJECTION has a comment (SIGNATURE_COMMENT_REQUIRED), and the system has not signed for the purpose before.
    """
    # 1. and 2. the content is content, and the one meant
    _check_digest(statement.body_digest, content)
    # 3. one byte string
    message = statement.bytes()
    # 4. the signature
    verify(public_key, message, signature)


def verify_receipt(
    public_key: PublicKey, receipt: Receipt, signature: bytes | str, *, content: bytes
) -> None:
    """Returns if the hub's key signed this receipt and the receipt speaks of this content.

    1. The content begins with the domain line of an event or a message (FrameRefused FRAME_NOT_CONTENT).
    2. The SHA-256 of the stored bytes is the receipt's `contentDigest` (SignatureInvalid, reason DIGEST).
    3. The receipt is written as its one byte string.
    4. The signature over these bytes holds (`verify`; SignatureInvalid).

    What remains the caller's:
    5. `public_key` is the hub's published key named by `receipt.key_id`, and was valid at `receipt.posted_at`.
    """
    # 1. and 2. the content is content, and the one meant
    _check_digest(receipt.content_digest, content)
    # 3. one byte string
    message = receipt.bytes()
    # 4. the signature
    verify(public_key, message, signature)


def verify_possession(possession: Possession, signature: bytes | str) -> None:
    """Returns if the key named in the proof signed it; raises SignatureInvalid.

    1. The proof is written as its one byte string.
    2. The signature over these bytes holds under the key inside the proof.

    What remains the caller's:
    3. `challenge` was given to this very system and is neither used nor old.
    """
    # 1. one byte string
    message = possession.bytes()
    # 2. the signature
    verify(possession.public_key, message, signature)


def _check_digest(digest: Digest, content: bytes) -> None:
    if content_digest(content) != digest:
        raise SignatureInvalid.because("DIGEST", "the statement speaks of other content")


def _raise_if_any(violations: list[Violation]) -> None:
    if violations:
        raise StatementRefused(violations)


def _wrong(name: str, message: str) -> Violation:
    return Violation("STATEMENT_MEMBER", (name,), message)


def _wrong_type(name: str, member: object, kind: type) -> tuple[Violation, ...]:
    return () if isinstance(member, kind) else (_wrong(name, f"not a {kind.__name__}"),)


def _wrong_length(name: str, member: object, least: int, most: int) -> tuple[Violation, ...]:
    if isinstance(member, str) and least <= len(member) <= most:
        return ()
    return (_wrong(name, f"not a text of {least} to {most} characters"),)


def _wrong_instant(name: str, member: object) -> tuple[Violation, ...]:
    try:
        instant_of(member if isinstance(member, str) else "")
    except TextRefused:
        return (_wrong(name, "not an instant in its one text form"),)
    return ()


@lru_cache(maxsize=64)
def _instant_text(posted_at: datetime) -> str | Violation:
    """The text of an instant, or why it has none; all receipts of a transaction share theirs."""
    try:
        return instant_text(posted_at)
    except TextRefused as error:
        return _wrong("postedAt", error.violations[0].message)


def _read_members(
    data: bytes, domain: Domain, names: tuple[str, ...], version: str = _VERSION
) -> dict[str, str]:
    found, value = unframe(data)
    if found is not domain:
        raise FrameRefused.of("FRAME_DOMAIN", f"the bytes are of {found.value}, not of {domain.value}")
    if not isinstance(value, dict) or set(value) != {*names, "v"} or value["v"] != version:
        raise StatementRefused.of(
            "STATEMENT_MEMBERS", f"the members are not {', '.join(names)} and v {version}"
        )
    members: dict[str, str] = {}
    violations: list[Violation] = []
    for name in names:
        member = value[name]
        if isinstance(member, str):
            members[name] = member
        else:
            violations.append(_wrong(name, "not a text"))
    _raise_if_any(violations)
    return members


def _read_digest(name: str, text: str) -> Digest:
    try:
        return Digest.parse(text)
    except TextRefused:
        raise StatementRefused([_wrong(name, "not sha256: and 64 lower-case hex digits")]) from None


def _read_enum(name: str, text: str, kind: type[_EnumT]) -> _EnumT:
    try:
        return kind(text)
    except ValueError:
        raise StatementRefused([_wrong(name, f"not one of {', '.join(kind)}")]) from None


def _read_uuid(name: str, text: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise StatementRefused([_wrong(name, "not a UUID in lower case with hyphens")])
    return found


def _read_instant(name: str, text: str) -> datetime:
    try:
        return instant_of(text)
    except TextRefused:
        raise StatementRefused([_wrong(name, "not an instant in its one text form")]) from None
