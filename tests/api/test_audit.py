"""What whoever owns the database changes behind the hub's back is found, and the row is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.from_thread
import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.client.following import Follower, LogMisbehaved, Seen
from hub.db import Database
from hub.domain.tables import metadata
from hub.domain.transparency import Audit, Finding
from hub.embedded import Endpoints
from hub.jobs.transparency import SOURCES, sequence_all
from hub.means import LogKeys, Means
from hub.signing import Checkpoint, Edge, HubKey, NoteKey, entry_bundle, grow, sign_note
from hub.signing.announcements import announcement
from hub.signing.leaves import entry
from hub.signing.merkle import leaf_hash
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings

pytestmark = pytest.mark.anyio

EVENT = "(SELECT id FROM posting WHERE kind = 'EVENT' ORDER BY id LIMIT 1)"
OTHER = "(SELECT id FROM posting WHERE kind = 'EVENT' ORDER BY id DESC LIMIT 1)"
LAST = "(SELECT max(log_index) FROM log_leaf)"
CHILDREN = ("posting_line", "posting_receiver", "posting_signature", "receipt", "posting_key")
WITHOUT_CHILDREN = "".join(f"DELETE FROM {table} WHERE posting_id = {EVENT}; " for table in CHILDREN)
# What is done, the kinds of findings it must lead to, and the SQL of the fact that must be named (or none).
TAMPERINGS: tuple[tuple[str, set[str], str | None], ...] = (
    (
        f"UPDATE posting SET posted_at = posted_at - interval '1 day' WHERE id = {EVENT}",
        {"ROW_CHANGED"},
        EVENT,
    ),
    (f"UPDATE posting SET total_amount = total_amount + 1 WHERE id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (f"UPDATE posting SET attributes = '{{\"a\": 1}}' WHERE id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (f"UPDATE posting SET content = content || ' ' WHERE id = {EVENT}", {"CONTRADICTION"}, EVENT),
    (f"UPDATE posting_line SET amount = amount + 0.01 WHERE posting_id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (f"UPDATE posting_line SET coa_code = NULL WHERE posting_id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (f"DELETE FROM posting_line WHERE posting_id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (
        f"UPDATE receipt SET issued_at = issued_at + interval '1 s' WHERE posting_id = {EVENT}",
        {"ROW_CHANGED"},
        EVENT,
    ),
    (f"UPDATE receipt SET statement = statement || ' ' WHERE posting_id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (f"DELETE FROM receipt WHERE posting_id = {EVENT}", {"ROW_CHANGED"}, EVENT),
    (
        f"UPDATE posting_signature SET e_sign = sha512(e_sign) WHERE posting_id = {EVENT} AND purpose = 'ORIGIN'",
        {"ROW_CHANGED"},
        EVENT,
    ),
    (
        "UPDATE posting_signature SET comments = 'no' WHERE purpose <> 'ORIGIN'",
        {"ROW_CHANGED"},
        "(SELECT id FROM posting_signature WHERE purpose <> 'ORIGIN')",
    ),
    ("DELETE FROM posting_signature WHERE purpose <> 'ORIGIN'", {"ROW_MISSING"}, None),
    (f"{WITHOUT_CHILDREN}DELETE FROM posting WHERE id = {EVENT}", {"ROW_MISSING"}, None),
    (
        f"UPDATE posting_key SET content_digest = sha256('x') WHERE posting_id = {EVENT}",
        {"CONTRADICTION"},
        EVENT,
    ),
    ("DELETE FROM inbox_entry", {"CONTRADICTION"}, "(SELECT id FROM posting WHERE kind = 'MESSAGE')"),
    ("UPDATE posting_receiver SET system = 'other@punjab.ifix.org'", {"ROW_CHANGED"}, None),
    (
        f"""UPDATE posting p SET content = o.content, content_digest = o.content_digest FROM posting o
        WHERE p.id = {EVENT} AND o.id = {OTHER}""",
        {"ROW_CHANGED", "CONTRADICTION"},
        EVENT,
    ),
    (
        """UPDATE registry_event SET details = details || '{"x": 1}' WHERE id =
        (SELECT id FROM registry_event WHERE subject = 'SIGNING_KEY' ORDER BY id LIMIT 1)""",
        {"ROW_CHANGED"},
        "(SELECT id FROM registry_event WHERE subject = 'SIGNING_KEY' ORDER BY id LIMIT 1)",
    ),
    ("DELETE FROM registry_event WHERE subject = 'SYSTEM'", {"ROW_MISSING"}, None),
    (
        "UPDATE reference_version SET name = name || '!' WHERE id = (SELECT min(id::text)::uuid FROM reference_version)",
        {"ROW_CHANGED"},
        "(SELECT min(id::text)::uuid FROM reference_version)",
    ),
    (
        """INSERT INTO registry_event SELECT tenant_id, gen_random_uuid(), subject, subject_id, change, actor,
        actor_id, details, at FROM registry_event LIMIT 1""",
        {"NOT_LOGGED"},
        None,
    ),
    (
        f"DELETE FROM log_leaf WHERE log_index = {LAST}",
        {"TRUNCATED", "GAP", "ROOT", "TILE", "NOT_LOGGED"},
        None,
    ),
    ("DELETE FROM log_leaf WHERE log_index = 5", {"GAP", "ROOT", "TILE", "NOT_LOGGED"}, None),
    (
        "UPDATE log_leaf SET commitment = sha256('x') WHERE log_index = 5",
        {"ROW_CHANGED", "ROOT", "TILE"},
        None,
    ),
    ("UPDATE log_leaf SET nonce = sha256('x') WHERE log_index = 5", {"ROW_CHANGED"}, None),
    (
        "UPDATE log_leaf SET fact_id = gen_random_uuid() WHERE log_index = 5",
        {"ROW_MISSING", "NOT_LOGGED"},
        None,
    ),
    ("UPDATE log_checkpoint SET root = sha256('x')", {"ROOT", "NOTE"}, None),
    ("UPDATE log_checkpoint SET note = replace(note, 'ifix', 'ifiy')", {"NOTE"}, None),
    ("DELETE FROM log_checkpoint", {"UNSIGNED_LEAF", "TILE"}, None),
    ("UPDATE log_edge SET hashes = substr(hashes, 33) WHERE level = 0", {"TILE"}, None),
)


@dataclass(frozen=True)
class Tampering:
    """The connection of the role that owns the tables, with every trigger of the hub switched off."""

    driver: asyncpg.Connection
    audit: Audit

    async def findings(self) -> list[Finding]:
        return [finding async for finding in self.audit.findings()]


@pytest.fixture
async def scene(
    client: Client, cast: Cast, database: Database, means: Means, servers: Endpoints
) -> AsyncIterator[Tampering]:
    """A sequenced log over a few postings, and somebody who can change anything."""
    first = await postings.post_ok(client, cast.provider)
    await postings.post_ok(client, cast.provider)
    await postings.send(client, cast.provider, [cast.consumer.unique_id])
    statement = {"purpose": "ACKNOWLEDGEMENT", "comments": ""}
    signature = await postings.sign(client, cast.consumer, {"posting": first["id"]}, **statement)
    sent = {"id": first["id"], **statement, **signature}
    await client.acting(cast.consumer.api_key).run(postings.ADD_SIGNATURE, input=sent)
    await sequence_all(database, means)
    audit = Audit(database, SOURCES, means.log_origin, means.log_key.public)
    driver = await asyncpg.connect(servers.owner_url.replace("+asyncpg", ""))
    await _triggers(driver, "DISABLE")
    yield Tampering(driver, audit)
    await _triggers(driver, "ENABLE")
    await driver.close()


async def _triggers(driver: asyncpg.Connection, what: str) -> None:
    for table in metadata.tables:
        await driver.execute(f'ALTER TABLE "{table}" {what} TRIGGER USER')


async def test_an_untouched_database_has_no_finding(scene: Tampering) -> None:
    assert await scene.findings() == []
    assert scene.audit.leaves == await scene.driver.fetchval("SELECT count(*) FROM log_leaf") > 20


@pytest.mark.parametrize(("statement", "kinds", "fact"), TAMPERINGS, ids=[t[0][:60] for t in TAMPERINGS])
async def test_a_tampering_is_found_and_the_row_is_named(
    scene: Tampering, statement: str, kinds: set[str], fact: str | None
) -> None:
    named = await scene.driver.fetchval(f"SELECT {fact}") if fact else None
    done = await scene.driver.execute(statement)
    assert not done.endswith(" 0"), "nothing was changed, so nothing was tried"
    findings = await scene.findings()
    assert {finding.what for finding in findings} == kinds
    if fact:
        assert {finding.fact_id for finding in findings} == {named}


async def test_a_log_rewritten_with_its_own_key_is_found_by_a_checkpoint_kept_outside(
    scene: Tampering, database: Database, means: Means, client: Client
) -> None:
    """Everything is consistent in itself: the whole log is made anew over changed rows and signed with the key."""
    kept = (await client.http.get("/log/checkpoint")).text
    await scene.driver.execute("UPDATE posting_line SET amount = amount * 2")
    await scene.driver.execute(
        "INSERT INTO log_pending (kind, tenant_id, fact_id) "
        "SELECT kind, tenant_id, fact_id FROM log_leaf WHERE kind <> 'LOG_KEY' ORDER BY log_index"
    )
    for table in ("log_leaf", "log_tile", "log_edge", "log_checkpoint", "log_key"):
        await scene.driver.execute(f"DELETE FROM {table}")
    await sequence_all(database, means)
    assert await scene.findings() == []
    watched = Audit(database, SOURCES, means.log_origin, means.log_key.public, kept)
    assert {finding.what async for finding in watched.findings()} == {"KEPT"}


async def test_a_log_that_changed_its_key_is_checked_with_either(
    scene: Tampering, database: Database, means: Means
) -> None:
    new = HubKey.from_seed(b"n" * 32)
    await sequence_all(
        database, Means(means.domain, means.signing_key, means.master_key, LogKeys(new, means.log_key))
    )
    for key in (means.log_key, new):
        audit = Audit(database, SOURCES, means.log_origin, key.public)
        assert [finding async for finding in audit.findings()] == []


async def test_a_log_signed_with_another_key_is_not_ours(scene: Tampering, database: Database) -> None:
    other = Audit(database, SOURCES, "ifix.org/log", HubKey.from_seed(b"o" * 32).public)
    assert {finding.what async for finding in other.findings()} == {"NOTE", "LOG_KEY"}


class Log:
    """A log served over HTTP that can be made to misbehave."""

    def __init__(self) -> None:
        self.key = HubKey.from_seed(b"k" * 32)
        self.entries: list[bytes] = []
        self.size = 0
        self.origin = "test/log"
        self.app = Starlette(
            routes=[
                Route("/log/checkpoint", self.checkpoint),
                Route("/log/tile/entries/{rest:path}", self.bundle),
            ]
        )

    def add(self, *entries: bytes) -> None:
        self.entries += entries
        self.size = len(self.entries)

    async def checkpoint(self, _: Request) -> Response:
        root = grow(Edge(), [leaf_hash(data) for data in self.entries[: self.size]]).root
        return Response(sign_note(Checkpoint(self.origin, self.size, root).text, "test/log", [self.key]))

    async def bundle(self, request: Request) -> Response:
        first = int(request.path_params["rest"].split(".")[0]) * 256
        return Response(entry_bundle(self.entries[first : min(first + 256, self.size)]))


def _leaves(count: int, tag: bytes = b"") -> list[bytes]:
    return [entry(leaf_hash(tag + bytes([number % 256]))) for number in range(count)]


class Bridge(httpx.BaseTransport):
    """The follower is not async; its requests reach the app through a loop of their own."""

    def __init__(self, app: Starlette) -> None:
        self.inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> tuple[int, bytes]:
            async with httpx.AsyncClient(transport=self.inner) as http:
                answer = await http.get(request.url)
                return answer.status_code, answer.content

        with anyio.from_thread.start_blocking_portal() as portal:
            status, content = portal.call(ask)
        return httpx.Response(status, content=content, request=request)


def follower(log: Log, seen: Seen | None = None) -> Follower:
    key = NoteKey("test/log", HubKey.from_seed(b"k" * 32).public)
    return Follower(httpx.Client(transport=Bridge(log.app)), "http://log.test", seen or Seen([key]))


def test_a_follower_accepts_a_log_that_only_grows(tmp_path: Path) -> None:
    log = Log()
    log.add(*_leaves(300))
    watching = follower(log)
    assert watching.step() == 300
    log.add(*_leaves(257, b"x"))
    watching.seen.save(tmp_path / "state")
    again = follower(log, Seen.load(tmp_path / "state", watching.seen.keys[0]))
    assert (again.step(), again.step(), again.seen.edge.size) == (257, 0, 557)


@pytest.mark.parametrize(
    ("misdeed", "word"),
    [("shrink", "shrank"), ("fork", "two trees"), ("rewrite", "do not lead"), ("key", "trusted")],
)
def test_a_follower_catches_a_log_that_misbehaves(misdeed: str, word: str) -> None:
    log = Log()
    log.add(*_leaves(300))
    watching = follower(log)
    watching.step()
    before: Any = watching.seen
    if misdeed == "shrink":
        log.size = 299
    elif misdeed == "fork":
        log.entries[7] = b"other"
    elif misdeed == "rewrite":
        log.entries[7] = b"other"
        log.add(b"more")
    else:
        log.key = HubKey.from_seed(b"z" * 32)
        log.add(b"more")
    with pytest.raises(LogMisbehaved, match=word) as caught:
        watching.step()
    assert watching.seen == before
    assert caught.value.evidence


def test_a_follower_trusts_a_new_key_on_the_old_ones_word_alone() -> None:
    log, new, stranger = Log(), HubKey.from_seed(b"n" * 32), HubKey.from_seed(b"s" * 32)
    log.add(*_leaves(3))
    watching = follower(log)
    watching.step()
    log.add(announcement("test/log", new, log.key, at=datetime.now(UTC)))
    log.key = new
    assert (watching.step(), [key.public for key in watching.seen.keys][-1]) == (1, new.public)
    log.add(announcement("test/log", stranger, stranger, at=datetime.now(UTC)))
    log.key = stranger
    with pytest.raises(LogMisbehaved, match="nobody trusted vouches"):
        watching.step()
