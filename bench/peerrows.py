"""The rows of the servers compared with: the hub's own columns and values, in tables with sensible keys and indexes."""

from __future__ import annotations

import asyncpg

TABLES = ("posting", "posting_line", "posting_signature", "inbox_entry")
ROLE = "bench_peer"
# Made anew with each data folder's first use of it; reachable through the folder's own socket alone.
PASSWORD = "bench"  # noqa: S105

# The head of account that totals are asked for: the first three tiers of a code.
HEAD = "^[^-]+-[^-]+-[^-]+"
TABLES_SQL = """
DROP SCHEMA IF EXISTS peer CASCADE;
CREATE SCHEMA peer;
CREATE TABLE peer.posting (LIKE public.posting);
CREATE TABLE peer.posting_line (LIKE public.posting_line);
CREATE TABLE peer.posting_signature (LIKE public.posting_signature);
CREATE TABLE peer.inbox_entry (LIKE public.inbox_entry);
"""
COPY_SQL = """
INSERT INTO peer.{table} SELECT * FROM public.{table} ORDER BY {key};
"""
ORDER = {
    "posting": "id",
    "posting_line": "posting_id, line_no",
    "posting_signature": "posting_id",
    "inbox_entry": "posting_id",
}
KEYS_SQL = """
ALTER TABLE peer.posting ADD PRIMARY KEY (id), ADD UNIQUE (sender_id, reference_id);
CREATE INDEX ON peer.posting (kind, id);
CREATE INDEX ON peer.posting (fiscal_year, id);
CREATE INDEX ON peer.posting (type, sub_type, id);
ALTER TABLE peer.posting_line ADD PRIMARY KEY (posting_id, line_no),
  ADD FOREIGN KEY (posting_id) REFERENCES peer.posting (id);
CREATE INDEX ON peer.posting_line (substring(coa_code FROM '{head}'), posting_id);
ALTER TABLE peer.posting_signature ADD PRIMARY KEY (id),
  ADD FOREIGN KEY (posting_id) REFERENCES peer.posting (id);
CREATE INDEX ON peer.posting_signature (posting_id);
ALTER TABLE peer.inbox_entry ADD PRIMARY KEY (system_id, posting_id),
  ADD FOREIGN KEY (posting_id) REFERENCES peer.posting (id);
CREATE INDEX ON peer.inbox_entry (system_id, posting_id) WHERE read_at IS NULL;
"""
VIEWS_SQL = """
CREATE VIEW peer.event_line AS
  SELECT l.posting_id, l.line_no, l.coa_code, substring(l.coa_code FROM '{head}') AS head,
         to_char(p.month, 'YYYY-MM') AS month, p.fiscal_year, l.currency,
         l.amount, p.reverses_id IS NOT NULL AS is_reversal
  FROM peer.posting p JOIN peer.posting_line l ON l.posting_id = p.id
  WHERE p.kind = 'EVENT';
CREATE FUNCTION peer.post_event(event peer.posting, lines peer.posting_line[], signatures peer.posting_signature[])
  RETURNS peer.posting LANGUAGE sql VOLATILE AS $$
  INSERT INTO peer.posting SELECT (event).*;
  INSERT INTO peer.posting_line SELECT * FROM unnest(lines);
  INSERT INTO peer.posting_signature SELECT * FROM unnest(signatures);
  SELECT event $$;
CREATE FUNCTION peer.post_events(events peer.posting[], lines peer.posting_line[],
                                 signatures peer.posting_signature[])
  RETURNS int LANGUAGE sql VOLATILE AS $$
  INSERT INTO peer.posting SELECT * FROM unnest(events);
  INSERT INTO peer.posting_line SELECT * FROM unnest(lines);
  INSERT INTO peer.posting_signature SELECT * FROM unnest(signatures);
  SELECT cardinality(events) $$;
COMMENT ON COLUMN peer.inbox_entry.read_at IS '@behavior +attribute:filterBy';
-- Lists beside a posting come whole, as the hub gives them: no pages of their own to count and to cut.
COMMENT ON CONSTRAINT posting_line_posting_id_fkey ON peer.posting_line IS '@behavior +manyRelation:resource:list -manyRelation:resource:connection';
COMMENT ON CONSTRAINT posting_signature_posting_id_fkey ON peer.posting_signature IS '@behavior +manyRelation:resource:list -manyRelation:resource:connection';
"""


async def exist(db: asyncpg.Connection) -> bool:
    """Whether the peers' rows were built, which is all or nothing."""
    return bool(await db.fetchval("SELECT to_regclass('peer.posting') IS NOT NULL"))


async def ensure(db: asyncpg.Connection) -> None:
    """The peers' rows: the hub's, copied and keyed where that was not done yet, and the role the peers come with."""
    if not await exist(db):
        await db.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'")
        async with db.transaction():
            await db.execute(TABLES_SQL)
            for table in TABLES:
                await db.execute(COPY_SQL.format(table=table, key=ORDER[table]))
            await db.execute(KEYS_SQL.replace("{head}", HEAD))
            await db.execute(VIEWS_SQL.replace("{head}", HEAD))
        await db.execute("VACUUM (ANALYZE)")
        await db.execute("CHECKPOINT")
    if not await db.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE):
        await db.execute(f"CREATE ROLE {ROLE} LOGIN")
    await db.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'; ALTER ROLE {ROLE} SET jit = off")
    await db.execute(f"GRANT CONNECT ON DATABASE hub TO {ROLE}; GRANT USAGE ON SCHEMA peer TO {ROLE}")
    await db.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA peer TO {ROLE}")
    await db.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA peer TO {ROLE}")
