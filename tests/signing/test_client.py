"""The reference client's own canonicaliser against the published vectors: two implementations, the same bytes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

import hub.signing
from hub.client import NotProven, Signer, amount, canonical, instant, merkle_root, prove

VECTORS = json.loads(Path(hub.signing.__file__).with_name("vectors.json").read_text())["vectors"]


def of_kind(kind: str, *, origin_only: bool = False) -> list[Any]:
    """Accepted vectors of a kind, by id."""
    return [
        pytest.param(vector["input"], vector["expect"], id=vector["id"])
        for vector in VECTORS
        if vector["kind"] == kind
        and "refused" not in vector["expect"]
        and (not origin_only or _is_ours(vector))
    ]


def _is_ours(vector: dict[str, Any]) -> bool:
    statement = vector["input"].get("statement", {})
    return (
        "seed" in vector["input"] and statement.get("purpose") == "ORIGIN" and not statement.get("comments")
    )


def _is_provable(vector: dict[str, Any]) -> bool:
    """Whether it has a content and a key, and is not about a statement that nobody could have signed."""
    return {"content", "publicKey"} <= set(vector["input"]) and vector["expect"].get("refused") in {
        None,
        "SIGNATURE_INVALID",
        "FRAME_NOT_CONTENT",
    }


@pytest.mark.parametrize(("given", "expected"), of_kind("canonical"))
def test_canonical_bytes_are_those_of_the_vectors(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert canonical(given["value"]).decode() == expected["bytes"]


@pytest.mark.parametrize(("given", "expected"), of_kind("amount"))
def test_amounts_are_written_as_in_the_vectors(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert amount(Decimal(given["amount"]), given["scale"]) == expected["text"]


@pytest.mark.parametrize(("given", "expected"), of_kind("instant"))
def test_instants_are_written_as_in_the_vectors(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert instant(datetime.fromisoformat(given["instant"])) == expected["text"]


def test_a_signature_holds_over_the_statement() -> None:
    key = SigningKey.generate()
    content = {
        "from": "a@b.c",
        "government": "as",
        "type": "EXPENDITURE",
        "lines": [{"lineNo": 1, "amount": "1.00"}],
    }
    signer = Signer("a@b.c", "sgk_1", key)
    sent = signer.sign(content, datetime(2026, 4, 1, tzinfo=UTC))
    statement = signer.statement(
        b'FXH-EVENT-V1\n{"body":{"government":"as","lines":[{"amount":"1.00","lineNo":1}],"type":"EXPENDITURE"},'
        b'"from":"a@b.c","kind":"EVENT","schemaVersion":"3.0"}',
        "2026-04-01T00:00:00Z",
    )
    assert sent["signedAt"] == "2026-04-01T00:00:00Z"
    key.verify_key.verify(statement, base64.b64decode(sent["eSign"]))


@pytest.mark.parametrize("value", [1.5, Decimal("1.5"), [{"a": 1.0}]])
def test_fractions_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="written as text"):
        canonical(value)


def test_an_amount_is_never_rounded() -> None:
    with pytest.raises(ValueError, match="more than 2 decimal places"):
        amount(Decimal("1.005"))


@pytest.mark.parametrize(("given", "expected"), of_kind("batch"))
def test_a_batch_is_signed_as_in_the_vectors(given: dict[str, Any], expected: dict[str, Any]) -> None:
    signer = Signer(given["system"], given["keyId"], SigningKey(base64.b64decode(given["seed"])))
    framed = [b'FXH-EVENT-V1\n{"n":%d}' % n for n in range(given["count"])]
    statement = signer.batch_statement(framed, given["signedAt"])
    assert statement.decode() == expected["bytes"]
    assert base64.b64encode(signer.key.sign(statement).signature).decode() == expected["signature"]
    said = prove(
        framed[given["index"]],
        {
            "statement": base64.b64encode(statement).decode(),
            "eSign": expected["signature"],
            "batch": {"index": given["index"], "size": given["count"], "path": expected["path"]},
        },
        base64.b64decode(given["publicKey"]),
    )
    assert said["root"] == expected["root"]


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(v, id=v["id"])
        for v in VECTORS
        if v["kind"] in {"batch-proof", "statement"} and _is_provable(v)
    ],
)
def test_proofs_hold_and_fall_as_in_the_vectors(vector: dict[str, Any]) -> None:
    given, is_batch = vector["input"], vector["kind"] == "batch-proof"
    line = "FXH-BATCH-SIGNATURE-V1" if is_batch else "FXH-BODY-SIGNATURE-V1"
    statement = f"{line}\n".encode() + canonical({**given["statement"], "v": "1"})
    signature: dict[str, Any] = {
        "statement": base64.b64encode(statement).decode(),
        "eSign": given.get("signature") or vector["expect"]["signature"],
        "batch": {name: given[name] for name in ("index", "size", "path")} if is_batch else None,
    }
    key = base64.b64decode(given["publicKey"])
    if "refused" in vector["expect"]:
        with pytest.raises(NotProven):
            prove(given["content"].encode(), signature, key)
    else:
        assert prove(given["content"].encode(), signature, key)["system"] == given["statement"]["system"]


def test_a_batch_of_nothing_has_the_root_of_nothing() -> None:
    assert merkle_root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
