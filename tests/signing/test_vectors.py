"""Every published vector holds, and the file is what its generator writes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from hub import signing
from tests.signing import make_vectors

Vector: TypeAlias = dict[str, Any]
Outcome: TypeAlias = dict[str, Any]

VECTORS: list[Vector] = json.loads(files("hub.signing").joinpath("vectors.json").read_bytes())["vectors"]
BY_ID = {vector["id"]: vector for vector in VECTORS}
REFUSED = [vector for vector in VECTORS if "refused" in vector["expect"]]


def given_bytes(given: Vector) -> bytes:
    return given["text"].encode() if "text" in given else base64.b64decode(given["base64"])


def written(data: bytes) -> Outcome:
    return {"bytes": data.decode(), "digest": "sha256:" + hashlib.sha256(data).hexdigest()}


def try_canonical(given: Vector) -> Outcome:
    return written(signing.canonical(given["value"]))


def try_parse(given: Vector) -> Outcome:
    data = given_bytes(given)
    value = signing.parse(data)
    assert signing.canonical(value) == data
    return {"value": value}


def try_frame(given: Vector) -> Outcome:
    if "base64" in given:
        signing.unframe(given_bytes(given))
        return {}
    framed = signing.frame(signing.Domain(given["domain"]), given["value"])
    assert signing.unframe(framed) == (given["domain"], given["value"])
    assert signing.content_digest(framed).text == written(framed)["digest"]
    return written(framed)


def statement_of(members: dict[str, str]) -> signing.Statement:
    """Through `read`, as bytes from outside arrive."""
    lines = json.dumps({**members, "v": "1"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return signing.Statement.read(signing.Domain.BODY_SIGNATURE.line + lines.encode())


def receipt_of(members: dict[str, str]) -> signing.Receipt:
    is_promise = "inLogBy" in members
    whole = {**members, "v": "2" if is_promise else "1"}
    lines = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    domain = signing.Domain.PROMISING_RECEIPT if is_promise else signing.Domain.RECEIPT
    return signing.Receipt.read(domain.line + lines.encode())


def possession_of(members: dict[str, str]) -> signing.Possession:
    key = signing.public_key(members["publicKey"])
    return signing.Possession(members["system"], members["keyId"], key, challenge=members["challenge"])


def sealed(given: Vector, statement: signing.Statement | signing.Receipt | signing.Possession) -> Outcome:
    """Signs where a seed is given, and compares; verifies a given signature where not."""
    if "seed" not in given:
        return {}
    key = signing.HubKey.from_seed(base64.b64decode(given["seed"]))
    assert key.public.base64 == given["publicKey"]
    return {**written(statement.bytes()), "signature": signing.signature_text(signing.seal(key, statement))}


def try_statement(given: Vector) -> Outcome:
    statement = statement_of(given["statement"])
    outcome = sealed(given, statement)
    key, signature = (
        signing.public_key(given["publicKey"]),
        given["signature"] if "signature" in given else outcome["signature"],
    )
    if "content" in given:
        signing.verify_statement(key, statement, signature, content=given["content"].encode())
    else:
        signing.verify(key, statement.bytes(), signature)
    return outcome


def try_receipt(given: Vector) -> Outcome:
    receipt = receipt_of(given["statement"])
    outcome = sealed(given, receipt)
    key, signature = (
        signing.public_key(given["publicKey"]),
        given["signature"] if "signature" in given else outcome["signature"],
    )
    if "content" in given:
        signing.verify_receipt(key, receipt, signature, content=given["content"].encode())
    else:
        signing.verify(key, receipt.bytes(), signature)
    return outcome


def try_possession(given: Vector) -> Outcome:
    possession = possession_of(given["statement"])
    assert signing.Possession.read(possession.bytes()) == possession
    outcome = sealed(given, possession)
    signing.verify_possession(
        possession, given["signature"] if "signature" in given else outcome["signature"]
    )
    return outcome


def batch_statement_of(members: dict[str, Any]) -> signing.BatchStatement:
    """Through `read`, as bytes from outside arrive."""
    lines = json.dumps({**members, "v": "1"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return signing.BatchStatement.read(signing.Domain.BATCH_SIGNATURE.line + lines.encode())


def try_batch(given: Vector) -> Outcome:
    contents = [signing.frame(signing.Domain.EVENT, {"n": n}) for n in range(given["count"])]
    tree = signing.batch_tree(signing.content_digest(content) for content in contents)
    root, path = signing.Digest(tree.root), tree.inclusion(given["index"])
    statement = signing.BatchStatement(
        items=given["count"],
        key_id=given["keyId"],
        root=root,
        signed_at=given["signedAt"],
        system=given["system"],
    )
    assert signing.BatchStatement.read(statement.bytes()) == statement
    key = signing.HubKey.from_seed(base64.b64decode(given["seed"]))
    assert key.public.base64 == given["publicKey"]
    signature = signing.signature_text(signing.seal(key, statement))
    proof = signing.BatchProof(given["index"], given["count"], path)
    signing.verify_batch(key.public, statement, signature, content=contents[given["index"]], proof=proof)
    return {
        **written(statement.bytes()),
        "root": root.text,
        "path": [signing.base64_text(part) for part in path],
        "signature": signature,
    }


def try_batch_proof(given: Vector) -> Outcome:
    path = tuple(base64.b64decode(part) for part in given["path"])
    signing.verify_batch(
        signing.public_key(given["publicKey"]),
        batch_statement_of(given["statement"]),
        given["signature"],
        content=given["content"].encode(),
        proof=signing.BatchProof(given["index"], given["size"], path),
    )
    return {}


def try_key(given: Vector) -> Outcome:
    return {"fingerprint": signing.fingerprint(signing.public_key(given["key"]))}


def try_signature(given: Vector) -> Outcome:
    signing.verify(
        signing.public_key(given["publicKey"]), base64.b64decode(given["message"]), given["signature"]
    )
    return {"valid": True}


def try_amount(given: Vector) -> Outcome:
    return {"text": signing.amount_text(Decimal(given["amount"]), given["scale"])}


def try_instant(given: Vector) -> Outcome:
    return {"text": signing.instant_text(datetime.fromisoformat(given["instant"]))}


TRIALS: dict[str, Callable[[Vector], Outcome]] = {
    "canonical": try_canonical,
    "parse": try_parse,
    "frame": try_frame,
    "statement": try_statement,
    "receipt": try_receipt,
    "possession": try_possession,
    "batch": try_batch,
    "batch-proof": try_batch_proof,
    "key": try_key,
    "signature": try_signature,
    "amount": try_amount,
    "instant": try_instant,
}


def outcome_of(vector: Vector) -> Outcome:
    try:
        return TRIALS[vector["kind"]](vector["input"])
    except signing.SignatureInvalid as error:
        return {"refused": error.code, "reason": error.reason}
    except signing.SigningError as error:
        return {"refused": error.code, "path": list(error.path)}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vector_holds(vector: Vector) -> None:
    assert outcome_of(vector) == vector["expect"]


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["id"])
def test_neighbour_of_a_refusal_is_accepted(vector: Vector) -> None:
    neighbour = BY_ID[vector["neighbour"]]
    assert neighbour["kind"] == vector["kind"]
    assert "refused" not in outcome_of(neighbour)


def test_ids_are_unique() -> None:
    assert [name for name, count in Counter(vector["id"] for vector in VECTORS).items() if count > 1] == []


def test_there_are_vectors_enough_of_every_kind() -> None:
    assert len(VECTORS) >= 150
    assert {vector["kind"] for vector in VECTORS} == set(TRIALS)


def test_file_is_ascii_so_that_no_editor_can_normalise_it() -> None:
    assert files("hub.signing").joinpath("vectors.json").read_bytes().isascii()


def test_file_is_what_the_generator_writes() -> None:
    assert make_vectors.document() == files("hub.signing").joinpath("vectors.json").read_text(
        encoding="ascii"
    )


def test_key_order_of_the_body_does_not_matter() -> None:
    first, second = BY_ID["canonical/G-20-body"], BY_ID["canonical/G-19-body-reordered"]
    assert list(first["input"]["value"]) != list(second["input"]["value"])
    assert first["expect"] == second["expect"]


def test_specification_names_this_digest_signature_and_posting() -> None:
    statement, expect = BY_ID["statement/G-20"]["input"]["statement"], BY_ID["statement/G-20"]["expect"]
    assert statement["bodyDigest"] == BY_ID["canonical/G-20-body"]["expect"]["digest"]
    assert expect["signature"].startswith("cExgs9ETdCzukawBDkuGp2yaAWj94AkU")
    assert UUID(BY_ID["receipt/posted"]["input"]["statement"]["postingId"]).version == 7
