"""Checking an evidence file without the hub: no database, no network, only public keys (docs/evidence.md).

Every step is told, passed or failed; one failed step and the evidence proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from hub.signing import (
    BatchProof,
    BatchStatement,
    Checkpoint,
    Digest,
    KeyState,
    KeyWindow,
    NoteKey,
    PublicKey,
    Purpose,
    Receipt,
    SigningError,
    Statement,
    base64_of,
    content_digest,
    open_note,
    public_key,
    verify,
    verify_path,
)
from hub.signing.evidence import SIGNATURE, evidence_statement
from hub.signing.framing import Domain, unframe
from hub.signing.leaves import commitment, entry
from hub.signing.merkle import verify_inclusion

FORMAT = "FXH-EVIDENCE-V1"
BYTES_MAX = 64 * 1024 * 1024
MEMBERS = {"checkpoint", "format", "hub", "keys", "leaves", "posting", "receipt", SIGNATURE, "signatures"}


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys one believes without the file's help; ``systems`` may be empty: the log then says whose keys they are."""

    hub: PublicKey
    log: NoteKey
    systems: Mapping[str, PublicKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked; ``fault`` says what does not hold."""

    part: str
    says: str
    fault: str | None = None

    @property
    def holds(self) -> bool:
        """Whether this step passed."""
        return self.fault is None


class Faulty(Exception):
    """What the file says does not hold."""


@dataclass
class _Leaf:
    """An opened leaf: the record its commitment hides, and the parts shown in full."""

    index: int
    kind: str
    fact_id: str
    parts: dict[str, str]
    opened: dict[str, str]


def check(text: str, trust: Trust) -> list[Step]:
    """All steps, in order; the evidence is good when every one holds. Never raises for what the file says."""
    steps: list[Step] = []
    found = _Evidence(trust)
    for part, says, step in found.steps():
        try:
            step(text)
        except (Faulty, SigningError) as fault:
            return [*steps, Step(part, says, str(fault))]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as fault:
            return [*steps, Step(part, says, f"not as an evidence file is written ({type(fault).__name__})")]
        steps.append(Step(part, says))
    return steps


class _Evidence:
    """What the steps before have established."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._file: dict[str, Any] = {}
        self._checkpoint = Checkpoint("", 0, b"")
        self._leaves: list[_Leaf] = []
        self._receipt: Receipt | None = None
        self._digest = Digest(bytes(32))
        self._windows: dict[str, KeyWindow] = {}
        self._keys: dict[str, PublicKey] = {}
        self._systems: dict[str, str] = {}

    def steps(self) -> Iterator[tuple[str, str, Callable[[str], None]]]:
        """Part, what holding it means, and the check."""
        yield "file", "the file is an evidence file", self._read
        yield "checkpoint", "the log's key signed the head of its tree", self._check_checkpoint
        yield "leaves", "every fact is in the tree under that head", self._check_leaves
        yield "receipt", "the hub took this content in, and promised to log it", self._check_receipt
        yield "posting", "the posting in the log is the one of the receipt", self._check_posting
        yield "keys", "the log says whose the signing keys are, and since when", self._check_keys
        yield (
            "signatures",
            "every signature holds, by a key that was valid when it came",
            self._check_signatures,
        )
        yield "whole", "the hub signed the file as a whole: nothing was left out of it", self._check_whole

    def _read(self, text: str) -> None:
        if len(text) > BYTES_MAX:
            raise Faulty("too large")
        self._file = json.loads(text, object_pairs_hook=_once)
        if self._file["format"] != FORMAT or set(self._file) != MEMBERS:
            raise Faulty(f"not {FORMAT}")

    def _check_checkpoint(self, _: str) -> None:
        said, _keys = open_note(self._file["checkpoint"], [self._trust.log])
        self._checkpoint = Checkpoint.parse(said)
        if self._checkpoint.origin != self._trust.log.name:
            raise Faulty("the head of another log")

    def _check_leaves(self, _: str) -> None:
        head = self._checkpoint
        for leaf in self._file["leaves"]:
            _exactly(leaf, {"logIndex", "nonce", "opened", "path", "record"})
            record, index = base64_of(leaf["record"]), _number(leaf["logIndex"])
            data = entry(commitment(base64_of(leaf["nonce"]), record))
            verify_inclusion(data, index, head.size, list(map(base64_of, leaf["path"])), root=head.root)
            domain, members = unframe(record)
            if domain is not Domain.FACT or not isinstance(members, dict):
                raise Faulty("a leaf that is not a fact")
            parts: dict[str, str] = members["parts"]  # type: ignore[assignment]
            opened: dict[str, str] = leaf["opened"]
            for name, shown in opened.items():
                if sha256(shown.encode()).hexdigest() != parts[name]:
                    raise Faulty(f"what is shown of leaf {index} is not what the log commits to")
            self._leaves.append(_Leaf(index, str(members["kind"]), str(members["id"]), parts, opened))

    def _check_receipt(self, _: str) -> None:
        _exactly(self._file["receipt"], {"signature", "statement"})
        statement = base64_of(self._file["receipt"]["statement"])
        self._receipt = receipt = Receipt.read(statement)
        verify(self._trust.hub, statement, self._file["receipt"]["signature"])
        if receipt.key_id != self._file["hub"]["keyId"]:
            raise Faulty("the receipt is by another key")
        if receipt.log is not None and receipt.log != self._checkpoint.origin:
            raise Faulty("the receipt speaks of another log")
        self._digest = receipt.content_digest

    def _check_posting(self, _: str) -> None:
        receipt, posting, hub = self._receipt, self._file["posting"], self._file["hub"]
        assert receipt is not None
        _exactly(posting, {"content", "contentDigest", "id"})
        _exactly(hub, {"domain", "keyId", "logKey", "publicKey"})
        if public_key(hub["publicKey"]) != self._trust.hub or hub["logKey"] != self._trust.log.text:
            raise Faulty("the file names other keys of the hub than those you trust")
        if f"{hub['domain']}/log" != self._trust.log.name:
            raise Faulty("the file names another hub")
        (leaf,) = (leaf for leaf in self._leaves if leaf.kind in {"EVENT", "MESSAGE"})
        prefix = {"EVENT": "evt", "MESSAGE": "msg"}[leaf.kind]
        if posting["id"] != f"{prefix}_{receipt.posting_id}" or leaf.fact_id != str(receipt.posting_id):
            raise Faulty("receipt, leaf and file speak of different postings")
        if posting["contentDigest"] != self._digest.text or leaf.parts["content"] != self._digest.raw.hex():
            raise Faulty("receipt, leaf and file speak of different contents")
        if posting["content"] is not None and content_digest(base64_of(posting["content"])) != self._digest:
            raise Faulty("the content is not the one that was signed")
        if leaf.parts["receipt"] != _digest_of(self._file["receipt"], "signature"):
            raise Faulty("the log commits to another receipt")

    def _check_keys(self, _: str) -> None:
        for key in self._file["keys"]:
            _exactly(key, {"id", "publicKey", "system"})
            lines = sorted((leaf for leaf in self._leaves if leaf.kind == "KEY"), key=lambda leaf: leaf.index)
            history = [line for leaf in lines if (line := _KeyLine.read(leaf)).key_id == key["id"]]
            self._windows[key["id"]], self._keys[key["id"]] = _window(history)
            self._systems[key["id"]] = key["system"]
            if public_key(key["publicKey"]) != self._keys[key["id"]]:
                raise Faulty(f"{key['id']} was registered with another public key")
            trusted = self._trust.systems.get(key["id"])
            if trusted is not None and trusted != self._keys[key["id"]]:
                raise Faulty(f"{key['id']} is not the key you trust")
        known = {line.key_id for leaf in self._leaves if leaf.kind == "KEY" for line in [_KeyLine.read(leaf)]}
        if known != set(self._keys) or len(self._file["keys"]) != len(self._keys):
            raise Faulty("keys and their history do not match")

    def _check_signatures(self, _: str) -> None:
        receipt = self._receipt
        assert receipt is not None
        origins, ids = 0, set()
        for signature in self._file["signatures"]:
            _exactly(signature, {"batch", "eSign", "id", "keyId", "statement"})
            name = "the sender's signature" if signature["id"] is None else signature["id"]
            key = self._keys[signature["keyId"]]
            statement = base64_of(signature["statement"])
            said: Statement | BatchStatement
            if signature["batch"] is None:
                said = alone = Statement.read(statement)
                is_origin, digest = alone.purpose is Purpose.ORIGIN, alone.body_digest
            else:
                said = batch = BatchStatement.read(statement)
                is_origin, digest = True, self._in_batch(batch, signature["batch"])
            if said.key_id != signature["keyId"] or digest != self._digest:
                raise Faulty(f"{name} is about something else, or by another key")
            if said.system != self._systems[signature["keyId"]]:
                raise Faulty(f"{name} is by another system than the key's")
            verify(key, statement, signature["eSign"])
            if is_origin != (signature["id"] is None):
                raise Faulty("the sender's signature has no id, every other has one")
            received = self._received(signature, is_origin=is_origin)
            refused = self._windows[signature["keyId"]].covers(received)
            if refused is not None:
                raise Faulty(f"{name}: {refused}")
            if is_origin and said.system != receipt.system:
                raise Faulty("the receipt names another sender")
            origins += is_origin
            ids.add(signature["id"])
        added = sum(leaf.kind == "SIGNATURE" for leaf in self._leaves)
        if origins != 1 or len(ids) != origins + added or len(self._file["signatures"]) != len(ids):
            raise Faulty("there must be the sender's signature, and each other one once")

    def _in_batch(self, said: BatchStatement, batch: dict[str, Any]) -> Digest:
        _exactly(batch, {"index", "path", "size"})
        path = tuple(map(base64_of, batch["path"]))
        proof = BatchProof(_number(batch["index"]), _number(batch["size"]), path)
        if proof.size != said.items:
            raise Faulty("the path is of a batch of another size")
        verify_path(self._digest, proof, said.root)
        return self._digest

    def _received(self, signature: dict[str, Any], *, is_origin: bool) -> datetime:
        """When the hub got it, as the log commits to it; for the sender's own the receipt says it."""
        assert self._receipt is not None
        digest = _digest_of(signature, "eSign")
        if is_origin:
            (leaf,) = (leaf for leaf in self._leaves if leaf.kind in {"EVENT", "MESSAGE"})
            if leaf.parts["origin"] != digest:
                raise Faulty("the log commits to another signature of the sender")
            return self._receipt.posted_at
        (leaf,) = (leaf for leaf in self._leaves if f"sig_{leaf.fact_id}" == signature["id"])
        if leaf.kind != "SIGNATURE" or leaf.parts["statement"] != digest:
            raise Faulty(f"the log commits to another {signature['id']}")
        fields = composite(leaf.opened["row"])
        if fields[0] != str(self._receipt.posting_id):
            raise Faulty(f"{signature['id']} is on another posting")
        return _instant(fields[-1])

    def _check_whole(self, _: str) -> None:
        said = evidence_statement(self._file, self._file["hub"]["keyId"])
        verify(self._trust.hub, said, self._file[SIGNATURE])


@dataclass(frozen=True, slots=True)
class _KeyLine:
    """A line of a signing key's history."""

    key_id: str
    change: str
    details: dict[str, Any]

    @classmethod
    def read(cls, leaf: _Leaf) -> _KeyLine:
        subject, key_id, change, _, _, details, _ = composite(leaf.opened["row"])
        if subject != "SIGNING_KEY":
            raise Faulty("a line that is not about a signing key")
        return cls(f"sgk_{key_id}", change, json.loads(details))


def _window(history: list[_KeyLine]) -> tuple[KeyWindow, PublicKey]:
    """From when to when the key was valid and how it stands, by its history."""
    if not history or history[0].change != "ADDED":
        raise Faulty("a key's history does not begin with its registration")
    added = history[0].details
    state, ends = KeyState(added["state"]), added["validTo"]
    since: str | None = None
    for line in history[1:]:
        if line.change == "ADDED":
            raise Faulty("a key was registered twice")
        state = KeyState(line.change.lower())
        ends = line.details.get("valid_to", ends)
        since = line.details.get("compromised_since") if state is KeyState.COMPROMISED else None
    window = KeyWindow(
        datetime.fromisoformat(added["validFrom"]),
        datetime.fromisoformat(ends) if ends else None,
        state,
        datetime.fromisoformat(since) if since else None,
    )
    return window, public_key(added["publicKey"])


def composite(text: str) -> list[str]:
    """The fields of a row as PostgreSQL writes it (its manual, 8.16.6); raises ValueError for any other text."""
    if not (text.startswith("(") and text.endswith(")")):
        raise ValueError("not a row")
    fields, at, end = [""], 1, len(text) - 1
    quoted = False
    while at < end:
        letter, after = text[at], text[at + 1] if at + 1 < end else ""
        if quoted and letter in '"\\' and after == letter:
            fields[-1] += letter
            at += 1
        elif letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            fields.append("")
        else:
            fields[-1] += letter
        at += 1
    if quoted:
        raise ValueError("not a row")
    return fields


def _instant(text: str) -> datetime:
    """An instant as PostgreSQL writes it; its offset has no minutes (``+00``)."""
    found = datetime.fromisoformat(text if ":" in text[-3:] else f"{text}:00")
    if found.tzinfo is None:
        raise ValueError("no offset")
    return found


def _digest_of(signed: dict[str, Any], signature: str) -> str:
    return sha256(base64_of(signed["statement"]) + base64_of(signed[signature])).hexdigest()


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or (len(text) > 1 and text[0] == "0"):
        raise ValueError("not a number in its only spelling")
    return int(text)


def _exactly(found: dict[str, Any], names: set[str]) -> None:
    if set(found) != names:
        raise Faulty(f"not the members {', '.join(sorted(names))}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found
