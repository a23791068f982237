"""Codes are judged as of the event's own day; what was posted can be taken back after a code retired (N-26)."""

from __future__ import annotations

from datetime import date

import pytest

from hub.db import Database
from hub.domain import reference
from hub.domain.reference import Registry
from hub.domain.registry import HubCaller
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings

pytestmark = pytest.mark.anyio


async def test_n26_a_retired_head_is_valid_for_events_before_it_retired(
    client: Client, cast: Cast, database: Database
) -> None:
    before = await postings.post_ok(client, cast.both)
    async with database.transaction() as tx:
        day, tenant = date(2026, 10, 1), cast.both.tenant_id
        found = await reference.resolve(tx, tenant, {Registry.COA: {postings.CAPITAL_HEAD}}, day)
        head = found.get(Registry.COA, postings.CAPITAL_HEAD)
        assert head is not None
        await reference.retire(
            tx,
            HubCaller("tests"),
            tenant,
            Registry.COA,
            head.entry_id,
            on=day,
            expected_version=head.version_no,
        )
    inside = await postings.post(client, cast.both, postings.content(eventTime="2026-09-30T12:00:00+05:30"))
    assert inside["outcome"] == "ACCEPTED"
    after = await postings.post(client, cast.both, postings.content(eventTime="2026-10-01T12:00:00+05:30"))
    assert postings.codes(after) == ["COA_CODE_INVALID"]
    taken_back = await postings.reverse(
        client, cast.both, before["id"], eventTime="2026-10-07T12:00:00+05:30"
    )
    assert (taken_back["outcome"], taken_back["errors"]) == ("ACCEPTED", [])
