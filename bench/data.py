"""The rows under the benchmark: real events posted through the API, then multiplied by SQL to the size asked for."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench import peerrows
from bench.contents import Sender, content, message
from bench.processes import free_port, running
from hub import migrate
from hub.client import Hub
from hub.commands import demo
from hub.embedded import EmbeddedServers, Endpoints
from hub.embedded.postgres_server import ADMINISTRATOR, DATABASE, PORT
from hub.sample import sample_path
from hub.settings import Settings
from hub.wiring import connect, make_means

FOLDER = Path(__file__).with_name(".data")
SHAPE = 3  # raise it when rows built before are not what is built now
TEMPLATES = 2_000
MESSAGES = 200
POST_SIZE = 100
CHUNK = 100_000
REBUILD_INDEXES_FROM = 200_000
YEAR_MS = 365 * 86_400_000
VACUUM_FROM = 1_000
# The share of rows that runs posted from which indexes are built anew.
REINDEX_FROM = 0.2
# In this order no row comes before the one it names.
COPIED = (
    "posting",
    "posting_key",
    "posting_line",
    "posting_receiver",
    "posting_link",
    "posting_attachment",
    "posting_signature",
    "receipt",
    "inbox_entry",
    "inbox_history",
)
Serve = Callable[[int], list[str]]
POST_MESSAGE = """mutation($input: PostFiscalMessageInput!) {
  postFiscalMessage(input: $input) { outcome errors { code path message } }
}"""


@dataclass(frozen=True)
class Built:
    """What lies in a data folder, and who may ask for it."""

    shape: int
    events: int
    last_id: str
    seconds: float


@dataclass(frozen=True)
class Stage:
    """Running servers with the rows in them."""

    size: str
    folder: Path
    endpoints: Endpoints
    database_pid: int
    demo: demo.Demo
    built: Built

    @property
    def sockets(self) -> str:
        """The folder of PostgreSQL's socket."""
        return parse_qs(urlsplit(self.endpoints.database_url).query)["host"][0]

    @property
    def sender(self) -> Sender:
        """Who posts."""
        return Sender(
            self.demo.government,
            self.demo.provider,
            self.demo.signing_key_id,
            base64.b64decode(self.demo.signing_seed),
        )

    async def administrator(self) -> asyncpg.Connection:
        """A connection that may do anything."""
        return await asyncpg.connect(host=self.sockets, port=PORT, user=ADMINISTRATOR, database=DATABASE)


def hub_environment(folder: Path, endpoints: Endpoints, port: int) -> dict[str, str]:
    """The hub as `fiscal-hub run` starts it; only the rate limit is out of the way, as one caller plays many."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return {
        **kept,
        "HUB_DATA_DIR": str(folder),
        "HUB_DATABASE_URL": endpoints.database_url,
        "HUB_REDIS_URL": endpoints.redis_url,
        "HUB_HOST": "127.0.0.1",
        "HUB_PORT": str(port),
        "HUB_REQUESTS_PER_MINUTE": "100000000",
    }


def parse_size(text: str) -> int:
    """How many events `10k` or `1m` are."""
    return int(float(text[:-1]) * {"k": 1_000, "m": 1_000_000}[text[-1].lower()])


def say(text: str) -> None:
    """Tell how it goes."""
    print(f"· {text}", flush=True)  # noqa: T201 - this is a command


@contextmanager
def _timed(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begun:.1f} s")


def _settings(folder: Path, endpoints: Endpoints) -> Settings:
    return Settings(data_dir=folder, database_url=endpoints.database_url, redis_url=endpoints.redis_url)


def _read_mark(folder: Path, events: int) -> Built | None:
    try:
        built = Built(**json.loads((folder / "built.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return built if built.shape == SHAPE and built.events == events else None


async def prepare(servers: EmbeddedServers, size: str, events: int, *, serve: Serve) -> Stage:
    """
    The stage of one size: from the data folder where it was built before, else from nothing.

    ``serve`` is the command of the hub's web process, to which a new stage's first events are posted.
    """
    folder = servers.data_dir
    endpoints = await servers.start()
    built, kept = _read_mark(folder, events), demo.load(folder)
    if built is None or kept is None:
        (folder / "built.json").unlink(missing_ok=True)
        await _forget(endpoints)
        await servers.stop()
        endpoints = await servers.start()
    await asyncio.to_thread(migrate.upgrade, endpoints.owner_url, endpoints.database_url)
    if built is not None and kept is not None:
        stage = Stage(size, folder, endpoints, servers.pids["postgres"], kept, built)
        await _trim(stage)
        return stage
    begun = time.monotonic()
    kept = await _found(folder, endpoints)
    stage = Stage(size, folder, endpoints, servers.pids["postgres"], kept, Built(SHAPE, events, "", 0))
    with _timed(f"posting {TEMPLATES} signed events and {MESSAGES} messages through the API"):
        await _post_templates(stage, serve)
    with _timed(f"multiplying them to {events:,} events"):
        last_id = await _multiply(stage, events)
    built = Built(SHAPE, events, last_id, round(time.monotonic() - begun, 1))
    (folder / "built.json").write_text(json.dumps(asdict(built)))
    return Stage(size, folder, endpoints, servers.pids["postgres"], kept, built)


async def _forget(endpoints: Endpoints) -> None:
    """Begin empty: whatever an unfinished build left goes."""
    host = parse_qs(urlsplit(endpoints.database_url).query)["host"][0]
    admin = await asyncpg.connect(host=host, port=PORT, user=ADMINISTRATOR, database="postgres")
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    finally:
        await admin.close()


async def _found(folder: Path, endpoints: Endpoints) -> demo.Demo:
    """The demonstration's government, provider and consumer, and its chart of accounts."""
    settings = _settings(folder, endpoints)
    db = connect(settings)[0]
    try:
        made = await demo.create(db, make_means(settings))
        demo.save(folder, made)
        await demo.import_chart(db, made.government, sample_path())
    finally:
        await db.close()
    return made


async def _post_templates(stage: Stage, serve: Serve) -> None:
    port = free_port()
    environment = hub_environment(stage.folder, stage.endpoints, port)
    log = stage.folder / "bench-logs" / "hub.log"
    async with running(serve(port), environment, log, port=port, ready="/health/ready"):
        await asyncio.to_thread(_post_all, stage, f"http://127.0.0.1:{port}")


def _post_all(stage: Stage, url: str) -> None:
    sender, signer = stage.sender, stage.sender.signer()

    def post(at: int) -> None:
        contents = [content(number, "TEMPLATE", sender) for number in range(at, at + POST_SIZE)]
        results = hub.post_events(signer, contents, sign_each=True)
        refused = [result["errors"] for result in results if result["outcome"] != "ACCEPTED"]
        if refused:
            raise ValueError(f"the hub refused an event: {refused[0]}")

    with Hub(url, stage.demo.provider_key) as hub, ThreadPoolExecutor(2) as pool:
        list(pool.map(post, range(0, TEMPLATES, POST_SIZE)))
        for number in range(MESSAGES):
            made = message(number, "MESSAGE", sender, stage.demo.consumer)
            answer = hub.run(POST_MESSAGE, input=made)["postFiscalMessage"]
            if answer["outcome"] != "ACCEPTED":
                raise ValueError(f"the hub refused a message: {answer['errors']}")


async def _columns(db: asyncpg.Connection, table: str) -> list[str]:
    rows = await db.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
        table,
    )
    return [row["column_name"] for row in rows]


# The id of a copy: a UUIDv7 whose time spreads the copies evenly over the year before the first real event.
NEW_ID = """(lpad(to_hex($1::bigint + n * {year} / $2::bigint), 12, '0') || '7' || substr(md5('a' || {tail}), 1, 3) || '8'
 || substr(md5('b' || {tail}), 1, 15))::uuid"""
OWN_ID = """(substr(m.id::text, 1, 14) || '7' || substr(md5('{table}' || m.n || t.id), 1, 3) || '-8'
 || substr(md5(t.id::text || m.n), 1, 3) || '-' || substr(md5('c' || m.n || t.id), 1, 12))::uuid"""


async def _copy_statement(db: asyncpg.Connection, table: str) -> str:
    values = []
    for column in await _columns(db, table):
        new = f't."{column}"'
        if (table == "posting" and column == "id") or column == "posting_id":
            new = "m.id"
        elif column == "id":
            new = OWN_ID.format(table=table)
        elif column in ("reference_id", "idempotency_key"):
            new = f"t.{column} || '/' || m.n"
        elif column in ("posted_at", "received_at", "issued_at", "delivered_at"):
            new = "m.at"
        values.append((f'"{column}"', new))
    names = ", ".join(name for name, _ in values)
    key = "id" if table == "posting" else "posting_id"
    return (
        f"INSERT INTO {table} ({names}) SELECT {', '.join(value for _, value in values)} "
        f"FROM bench_copy m JOIN {table} t ON t.{key} = m.template ORDER BY m.n"
    )


async def _multiply(stage: Stage, events: int) -> str:
    """Copy the posted events and messages until there are enough of each; the greatest id comes back."""
    db = await stage.administrator()
    try:
        await db.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        await db.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'")
        await db.execute(
            "CREATE TEMP TABLE bench_copy (n bigint PRIMARY KEY, template uuid, id uuid, at timestamptz)"
        )
        templates = {
            kind: [row["id"] for row in await db.fetch("SELECT id FROM posting WHERE kind = $1", kind)]
            for kind in ("EVENT", "MESSAGE")
        }
        first = await db.fetchval("SELECT min(posted_at) FROM posting")
        start = int(first.timestamp() * 1000) - YEAR_MS
        scale = (events - TEMPLATES) / TEMPLATES
        wanted = {"EVENT": events - TEMPLATES, "MESSAGE": int(MESSAGES * scale)}
        dropped = await _drop_indexes(db) if events >= REBUILD_INDEXES_FROM else []
        statements = [await _copy_statement(db, table) for table in COPIED]
        offset = 0
        for kind, count in wanted.items():
            for at in range(0, count, CHUNK):
                last = min(at + CHUNK, count)
                await db.execute("TRUNCATE bench_copy")
                await db.execute(
                    f"INSERT INTO bench_copy SELECT n + {offset}, "
                    f"($3::uuid[])[1 + n % {len(templates[kind])}], {NEW_ID.format(year=YEAR_MS, tail=f'(n + {offset})')}, "
                    f"to_timestamp(($1::bigint + n * {YEAR_MS} / $2::bigint) / 1000.0) "
                    f"FROM generate_series({at}, {last - 1}) n",
                    start,
                    count,
                    templates[kind],
                )
                await db.execute("ANALYZE bench_copy")
                for statement in statements:
                    await db.execute(statement)
                if count > CHUNK:
                    say(f"{last:,} of {count:,} {kind.lower()}s copied")
            offset += count
        for definition in dropped:
            await db.execute(definition)
        last_id = str(await db.fetchval("SELECT max(id::text) FROM posting"))
        await db.execute("VACUUM (ANALYZE)")
        await db.execute("CHECKPOINT")
    finally:
        await db.close()
    return last_id


async def _drop_indexes(db: asyncpg.Connection) -> list[str]:
    """Drop the indexes that no constraint needs; how to make each again comes back. Building them at the end is quicker."""
    rows = await db.fetch(
        "SELECT c.oid::regclass::text AS name, pg_get_indexdef(c.oid) AS definition FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid "
        "JOIN pg_namespace s ON s.oid = t.relnamespace WHERE s.nspname = 'public' AND t.relname = ANY($1) "
        "AND NOT t.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)",
        list(COPIED),
    )
    for row in rows:
        await db.execute(f"DROP INDEX {row['name']}")
    return [row["definition"].replace(" ON ONLY ", " ON ") for row in rows]


async def _trim(stage: Stage) -> None:
    """Take away what earlier runs posted, so that every run begins with the same rows."""
    db = await stage.administrator()
    try:
        await db.execute("SET session_replication_role = replica")
        gone = 0
        peers = peerrows.TABLES if await peerrows.exist(db) else ()
        for schema, tables in (("public", COPIED), ("peer", peers)):
            for table in reversed(tables):
                key = "id" if table == "posting" else "posting_id"
                done = await db.execute(f"DELETE FROM {schema}.{table} WHERE {key} > '{stage.built.last_id}'")
                gone += int(done.split()[1])
        if gone > VACUUM_FROM:
            await db.execute("VACUUM (ANALYZE)")
            if gone > stage.built.events * REINDEX_FROM:
                # Vacuum gives no page of an index back: the planner would take it for one of that many rows.
                for schema in ("public", "peer") if peers else ("public",):
                    await db.execute(f"REINDEX SCHEMA {schema}")
            await db.execute("CHECKPOINT")
    finally:
        await db.close()
