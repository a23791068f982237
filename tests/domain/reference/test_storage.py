"""What the database itself guards: append-only rows, slices superseded once, no two versions on one day."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.db import Database
from hub.domain.reference import Registry, SaveEntry
from hub.domain.reference.commands import from_json, to_json
from tests.factories.reference import make_reference, standard_set

pytestmark = pytest.mark.anyio
TENANT = uuid.UUID("0199f1c0-0000-7000-8000-000000000001")
COPY = (
    "INSERT INTO reference_slice SELECT tenant_id, gen_random_uuid(), entry_id, entry_number, version_id, parent_id, "
    "path, depth, DATE '2030-01-01', NULL, recorded_at, NULL FROM reference_slice"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reference_entry SET code = 'x'",
        "UPDATE reference_version SET name = 'x'",
        "DELETE FROM reference_version",
        "DELETE FROM reference_link",
        "DELETE FROM reference_slice",
        "UPDATE reference_slice SET path = 'x'",
        "TRUNCATE reference_slice",
        "UPDATE reference_slice SET superseded_at = now() WHERE superseded_at IS NOT NULL",
        COPY,
    ],
)
async def test_the_applications_role_cannot_change_what_was_said(database: Database, statement: str) -> None:
    await make_reference(database, TENANT)
    supersede = "UPDATE reference_slice SET superseded_at = now() WHERE path = 'majher'"
    async with database.transaction() as tx:
        await tx.execute(text(supersede.replace("majher", "pb/rupnagar/anandpur-sahib/majher")))
    counted = text("SELECT count(*), count(superseded_at), min(path), max(path) FROM reference_slice")
    async with database.read() as read:
        before = (await read.rows(counted)).one()
    with pytest.raises(DBAPIError):
        async with database.transaction() as tx:
            await tx.execute(text(statement))
    async with database.read() as read:
        assert (await read.rows(counted)).one() == before


def test_a_proposal_keeps_every_word_of_a_command() -> None:
    for commands in standard_set():
        for command in commands:
            assert from_json(to_json(command)) == command
    assert from_json(to_json(SaveEntry(Registry.ADMIN))) == SaveEntry(Registry.ADMIN)
