"""Erasing for good from outside: who may, who decides, what nobody can read afterwards, and what is still proven."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hub import migrate
from hub.db import Database
from hub.domain import registry, retention
from hub.domain.transparency import Audit
from hub.jobs.retention import rewrap_all
from hub.jobs.transparency import SOURCES, sequence_all
from hub.means import Means, VaultKeys
from hub.settings import Settings
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import HUB, Post, sign_in

pytestmark = pytest.mark.anyio

PDF = b"%PDF-1.7 a bank passbook"
SHA = hashlib.sha256(PDF).hexdigest()
DOCUMENT = "query($id: ID!, $sha: String!) { documentBytes(posting: $id, sha256: $sha) }"
ERASURE = "erasure { id state places postingCount } errors { code path }"
REQUEST = f"mutation($input: RequestErasureInput!) {{ requestErasure(input: $input) {{ {ERASURE} }} }}"
DECIDE = f"mutation($input: DecideErasureInput!) {{ decideErasure(input: $input) {{ {ERASURE} }} }}"
HOLD = (
    "mutation($input: PlaceLegalHoldInput!) { placeLegalHold(input: $input) { hold { id } errors { code } } }"
)
RELEASE = """mutation($input: ReleaseLegalHoldInput!) {
  releaseLegalHold(input: $input) { hold { id releasedAt } errors { code } }
}"""
EVIDENCE = "query($id: ID!) { evidence(id: $id) { json } }"
WHY = {"reason": "The person asked for it", "legalBasis": "DPDP Act 2023, section 12"}


@dataclass
class Desk:
    """A posting with a document, and two operators."""

    event: str
    maker: Client
    checker: Client
    reader: Client

    async def ask(self, who: Client, **over: Any) -> dict[str, Any]:
        """Ask for the document's erasure."""
        sent = {"posting": self.event, "sha256": SHA, **WHY, **over}
        answer: dict[str, Any] = (await who.run(REQUEST, input=sent))["requestErasure"]
        return answer

    async def decide(self, who: Client, erasure: str, *, approve: bool = True) -> dict[str, Any]:
        """Decide on it."""
        sent = {"government": "pb", "id": erasure, "approve": approve, "comment": "checked the letter"}
        answer: dict[str, Any] = (await who.run(DECIDE, input=sent))["decideErasure"]
        return answer


def attached() -> dict[str, Any]:
    """The document as an attachment."""
    return {
        "kind": "DOCUMENT",
        "name": "passbook.pdf",
        "mediaType": "application/pdf",
        "sizeBytes": len(PDF),
        "sha256": SHA,
    }


@pytest.fixture
async def desk(client: Client, cast: Cast, database: Database, means: Means) -> Desk:
    """Posted, and in nobody's log yet."""
    await postings.upload(client, cast.provider, PDF)
    event = await postings.post_ok(client, cast.provider, postings.content(attachments=[attached()]))
    post, people = Post(database, means), []
    for name in ("maker", "checker"):
        async with database.transaction() as tx:
            await registry.add_operator(tx, HUB, "pb", f"{name}@pb.gov.in")
        people.append(await sign_in(client, post, f"{name}@pb.gov.in"))
    return Desk(event["id"], people[0], people[1], client.acting(cast.consumer.api_key))


async def erase(desk: Desk) -> None:
    """Ask and decide."""
    asked = await desk.ask(desk.maker)
    assert asked["errors"] == []
    decided = await desk.decide(desk.checker, asked["erasure"]["id"])
    assert decided["errors"] == []
    assert decided["erasure"]["state"] == "ERASED"


async def findings(database: Database, means: Means) -> list[str]:
    """What an audit says, once all is in the log."""
    await sequence_all(database, means)
    audit = Audit(database, SOURCES, means.log_origin, means.log_key.public)
    return [str(finding) async for finding in audit.findings()]


async def as_superuser(settings: Settings, *statements: str) -> None:
    """Statements past every trigger and right."""
    assert settings.database_owner_url is not None
    engine = create_async_engine(settings.database_owner_url.get_secret_value())
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


def parts_proven(evidence: str) -> dict[str, Any]:
    """An evidence file without its head, the paths to it, which grow with the log, and the signature over them."""
    file: dict[str, Any] = json.loads(evidence)
    del file["signature"]
    del file["checkpoint"]
    for leaf in file["leaves"]:
        del leaf["path"]
    return file


async def count(database: Database, query: str) -> int:
    """A number straight from the database."""
    async with database.read() as read:
        return int(await read.scalar(text(query)))


async def test_a_document_lies_sealed_and_is_read_as_before(desk: Desk, database: Database) -> None:
    async with database.read() as read:
        stored = await read.scalar(text("SELECT bytes FROM document"))
    assert PDF not in stored
    read_back = (await desk.reader.run(DOCUMENT, id=desk.event, sha=SHA))["documentBytes"]
    assert base64.b64decode(read_back) == PDF


async def test_a_dry_run_tells_what_would_go_and_writes_nothing(desk: Desk, database: Database) -> None:
    asked = await desk.ask(desk.maker, validateOnly=True)
    assert asked["erasure"] == {"id": None, "state": "VALIDATED", "places": [SHA], "postingCount": 1}
    assert await count(database, "SELECT count(*) FROM retention_fact") == 0


async def test_an_erased_document_is_gone_and_everything_is_still_proven(
    desk: Desk, client: Client, cast: Cast, database: Database, means: Means
) -> None:
    assert await findings(database, means) == []
    before = (await desk.reader.run(EVIDENCE, id=desk.event))["evidence"]["json"]
    await erase(desk)
    answer = (await desk.reader.send(DOCUMENT, id=desk.event, sha=SHA)).json()
    assert answer["data"]["documentBytes"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["ERASED"]
    assert await count(database, "SELECT count(*) FROM data_key") == 0
    assert await findings(database, means) == []
    after = (await desk.reader.run(EVIDENCE, id=desk.event))["evidence"]["json"]
    assert parts_proven(after) == parts_proven(before)
    assert await count(database, "SELECT count(*) FROM log_leaf WHERE kind = 'RETENTION'") == 3
    again = await client.acting(cast.provider.api_key).run(
        "mutation($i: UploadDocumentInput!) { uploadDocument(input: $i) { errors { code } } }",
        i={"sha256": SHA, "mediaType": "application/pdf", "content": base64.b64encode(PDF).decode()},
    )
    assert postings.codes(again["uploadDocument"]) == ["ERASED"]
    assert postings.codes(await desk.ask(desk.maker)) == ["ERASED"]


async def test_it_takes_two_and_only_keepers_ask(desk: Desk, client: Client, cast: Cast) -> None:
    assert postings.codes(await desk.ask(client.acting(cast.provider.api_key))) == ["ROLE_NOT_ALLOWED"]
    assert postings.codes(await desk.ask(desk.reader)) == ["ROLE_NOT_ALLOWED"]
    asked = (await desk.ask(desk.maker))["erasure"]["id"]
    assert postings.codes(await desk.decide(desk.maker, asked)) == ["SELF_APPROVAL"]
    assert postings.codes(await desk.decide(desk.reader, asked)) == ["ROLE_NOT_ALLOWED"]
    assert (await desk.decide(desk.checker, asked, approve=False))["erasure"]["state"] == "REFUSED"
    assert postings.codes(await desk.decide(desk.checker, asked)) == ["PROPOSAL_DECIDED"]
    assert (await desk.reader.run(DOCUMENT, id=desk.event, sha=SHA))["documentBytes"] is not None


async def test_a_legal_hold_keeps_it(desk: Desk) -> None:
    asked = (await desk.ask(desk.maker))["erasure"]["id"]
    held = (await desk.maker.run(HOLD, input={"posting": desk.event, **WHY}))["placeLegalHold"]
    assert held["errors"] == []
    assert postings.codes(await desk.ask(desk.maker)) == ["LEGAL_HOLD"]
    assert postings.codes(await desk.decide(desk.checker, asked)) == ["LEGAL_HOLD"]
    sent = {"government": "pb", "id": held["hold"]["id"], "reason": "the case is closed"}
    released = (await desk.checker.run(RELEASE, input=sent))["releaseLegalHold"]
    assert released["hold"]["releasedAt"] is not None
    assert (await desk.decide(desk.checker, asked))["erasure"]["state"] == "ERASED"


async def test_a_key_that_vanishes_without_an_erasure_is_found(
    desk: Desk, database: Database, means: Means, settings: Settings
) -> None:
    await as_superuser(settings, "DELETE FROM data_key")
    (found,) = await findings(database, means)
    assert found.startswith(f"CONTRADICTION: EVENT {desk.event[4:]}: a document has lost its key")
    answer = (await desk.reader.send(DOCUMENT, id=desk.event, sha=SHA)).json()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"]


async def test_an_invented_erasure_past_the_triggers_is_found(
    desk: Desk, database: Database, means: Means, settings: Settings
) -> None:
    await findings(database, means)
    await as_superuser(
        settings,
        "ALTER TABLE retention_fact DISABLE TRIGGER USER",
        "INSERT INTO retention_fact SELECT tenant_id, gen_random_uuid(), 'ERASED', 'DOCUMENT', owner_id, place, "
        "gen_random_uuid(), 'why', 'law', '{}', 'PERSON', null, now() FROM data_key",
        "ALTER TABLE retention_fact ENABLE TRIGGER USER",
        "DELETE FROM data_key",
    )
    (found,) = await findings(database, means)
    assert found.startswith("NOT_LOGGED: RETENTION")


async def test_the_vaults_key_is_replaced_without_touching_documents(
    desk: Desk, database: Database, means: Means
) -> None:
    new = VaultKeys(bytes(range(32)), means.vault_key)
    rotated = Means(means.domain, means.signing_key, means.master_key, means.log_keys, new)
    assert await rewrap_all(database, rotated) == 1
    assert await rewrap_all(database, rotated) == 0
    alone = Means(means.domain, means.signing_key, means.master_key, means.log_keys, VaultKeys(new.current))
    async with database.read() as read:
        row = (await read.fetch("SELECT tenant_id, system_id, bytes FROM document"))[0]
        at = retention.Place(row["tenant_id"], row["system_id"], SHA)
        wrapped = await retention.find_key(read, at)
    assert wrapped is not None
    assert retention.open_value(alone, at, row["bytes"], wrapped) == PDF


def test_documents_in_the_clear_are_sealed_by_the_migration(settings: Settings, means: Means) -> None:
    tenant, system = uuid.uuid4(), uuid.uuid4()
    envelope, wrapped, name = migrate.sealing(means)(tenant, system, SHA, PDF)
    assert retention.open_value(means, retention.Place(tenant, system, SHA), envelope, wrapped) == PDF
    assert len(name) == 8
