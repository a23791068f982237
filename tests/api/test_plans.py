"""Plans of the searches people do all day, on many rows: an index carries each of them, no table is read whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

from hub.db import Database, Read
from hub.domain.fiscal_events import aggregates, inbox, reading
from hub.domain.fiscal_events.aggregates import Dimension, GroupBy
from hub.domain.fiscal_events.filters import Filter
from hub.domain.fiscal_events.inbox import InboxState
from hub.domain.fiscal_events.reading import Order
from hub.domain.fiscal_events.vocabulary import PostingKind, SubType, Type
from hub.domain.registry import PersonCaller, PersonRole, SystemCaller, SystemRole
from hub.embedded import Endpoints
from hub.kit.ids import new_id
from tests.api.conftest import Cast

pytestmark = pytest.mark.anyio

ROWS = 20_000
FILL = """
INSERT INTO posting (tenant_id, id, kind, environment, government, sender_id, sender_agency_id, sender, narrowed,
    schema_version, classification, type, major_type, sub_type, reference_id, event_time, posted_at, fiscal_year, month,
    currency, total_amount, line_count, attributes, warnings, content, content_digest)
SELECT :tenant, CAST(lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000' AS uuid),
    CASE WHEN i % 10 = 0 THEN 'MESSAGE' ELSE 'EVENT' END, 'LIVE', 'pb',
    CASE WHEN i % 100 = 1 THEN CAST(:rare AS uuid) ELSE CAST(:common AS uuid) END, :agency,
    CASE WHEN i % 100 = 1 THEN 'rare' ELSE 'common' END, i % 10 = 0, '3.0', 'OPEN', 'EXPENDITURE',
    'CAPITAL_EXPENDITURE', CASE WHEN i % 50 = 3 THEN 'DEBIT' ELSE 'BILL' END, 'R' || i, now(), now(), 2026,
    DATE '2026-08-01', 'INR', 1, 1, '{}', '[]', '\\x00', sha256(CAST(i::text AS bytea))
FROM generate_series(1, :rows) AS i;
INSERT INTO posting_line (tenant_id, posting_id, line_no, amount, currency, coa_code, period_start, period_end, tags,
    attributes)
SELECT tenant_id, id, 1, 1, 'INR', lpad((row_number() OVER ())::text, 8, '0') || '-01', DATE '2026-08-01',
    DATE '2026-08-31', '[]', '{}' FROM posting;
INSERT INTO posting_receiver (tenant_id, posting_id, system_id, ordinal, agency_id, system)
SELECT tenant_id, id, :reader, 1, :agency, 'reader' FROM posting WHERE kind = 'MESSAGE';
INSERT INTO inbox_entry (tenant_id, system_id, posting_id, delivered_at, read_at)
SELECT tenant_id, :reader, id, now(), CASE WHEN reference_id LIKE '%00' THEN NULL ELSE now() END
FROM posting WHERE kind = 'MESSAGE'
"""


class Explaining(Read):
    """Runs each statement under EXPLAIN first and keeps what its plan reads whole, and how many rows it reads past."""

    def __init__(self, read: Read) -> None:
        super().__init__(read.connection, read.now)
        self.whole: set[str] = set()
        self.cost = 0.0
        self.past = 0

    async def rows(self, statement: Any, parameters: Any = None) -> Any:
        """The rows, after the plan was looked at."""
        dialect: Any = postgresql.dialect  # SQLAlchemy leaves it without types
        compiled = statement.compile(dialect=dialect(), compile_kwargs={"literal_binds": True})
        sql = str(compiled).replace(":", r"\:")
        plan = await self.connection.scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"))
        tree = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
        self.cost = tree["Total Cost"]
        self._look(tree)
        return await super().rows(statement, parameters)

    def _look(self, node: dict[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan":
            self.whole.add(node["Relation Name"])
        self.past += node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        for inner in node.get("Plans", []):
            self._look(inner)


async def _fill(servers: Endpoints, cast: Cast) -> None:
    values = {
        "tenant": cast.provider.tenant_id,
        "rare": cast.both.system_id,
        "common": cast.provider.system_id,
        "reader": cast.consumer.system_id,
        "agency": cast.provider.agency_id,
        "rows": ROWS,
    }
    engine = create_async_engine(servers.owner_url)
    try:
        async with engine.begin() as connection:
            for statement in FILL.split(";\n"):
                await connection.execute(
                    text(statement), {k: v for k, v in values.items() if f":{k}" in statement}
                )
            await connection.execute(text("ANALYZE posting, posting_line, posting_receiver, inbox_entry"))
    finally:
        await engine.dispose()


async def test_daily_searches_read_no_table_whole(servers: Endpoints, cast: Cast, database: Database) -> None:
    await _fill(servers, cast)
    system = cast.consumer
    caller = SystemCaller(
        system.system_id,
        system.unique_id,
        system.agency_id,
        system.tenant_id,
        system.environment,
        frozenset({SystemRole.CONSUMER}),
        new_id(),
    )
    searches = {
        "newest": Filter(),
        "type": Filter(types=(Type.EXPENDITURE,), sub_types=(SubType.DEBIT,)),
        "sender": Filter(senders=("rare",)),
        "head": Filter(coa_prefix="00000777"),
        "reference": Filter(reference_ids=("R4711",)),
    }
    async with database.read() as read:
        for told, wanted in searches.items():
            explaining = Explaining(read)
            found = await reading.list_postings(explaining, caller, PostingKind.EVENT, wanted, first=50)
            assert found, told
            assert explaining.whole == set(), told
        explaining = Explaining(read)
        assert await inbox.list_inbox(explaining, caller, state=InboxState.UNREAD, first=50, after=None)
        assert explaining.whole == set(), "inbox"
        explaining = Explaining(read)
        by = [GroupBy(Dimension.TYPE)]
        assert await aggregates.totals(explaining, caller, searches["head"], by, first=50)
        assert explaining.whole == set(), "totals of a head"


async def test_who_sees_little_reads_past_nothing_of_the_others(
    servers: Endpoints, cast: Cast, database: Database
) -> None:
    await _fill(servers, cast)
    few, agency, tenant = cast.both, cast.provider.agency_id, cast.provider.tenant_id
    provider = SystemCaller(
        few.system_id,
        few.unique_id,
        few.agency_id,
        tenant,
        few.environment,
        frozenset({SystemRole.PROVIDER}),
        new_id(),
    )
    person = PersonCaller(new_id(), new_id(), agency, tenant, frozenset({PersonRole.READER}), frozenset())
    stranger = replace(person, agency_id=new_id())
    operator = replace(stranger, operator_of=frozenset({tenant}))
    async with database.read() as read:
        for caller, count in ((provider, 51), (person, 51), (stranger, 0), (operator, 51)):
            for order in Order:
                explaining = Explaining(read)
                found = await reading.list_postings(
                    explaining, caller, PostingKind.EVENT, Filter(), first=50, order=order
                )
                assert len(found) == count
                assert explaining.whole == set()
                assert explaining.past < 100, (caller, order)
