"""Programs, sanctions and allocations from outside, by the specification's case numbers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.db import Database
from hub.domain.registry import SystemRole
from hub.domain.transparency import Audit
from hub.jobs.transparency import SOURCES, sequence_all
from hub.means import Means
from hub.settings import Settings
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories.programs import BALANCES, Desk, as_owner, codes, paths
from tests.factories.registry import make_system

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(client: Client, cast: Cast) -> Desk:
    return Desk(client, cast.provider)


@pytest.fixture
async def program(desk: Desk) -> dict[str, Any]:
    return await desk.program()


@pytest.fixture
async def s1(desk: Desk, program: dict[str, Any]) -> str:
    """F0's sanction: gross 1000.00, allocated and available 600.00."""
    return await desk.sanctioned(program, "1000.00", "600.00")


async def count(database: Database, table: str) -> int:
    async with database.read() as read:
        return int(await read.scalar(text(f"SELECT count(*) FROM {table}")))


# Programs


async def test_codes_count_in_their_place_and_year_without_gaps(desk: Desk) -> None:
    first = await desk.program()
    year = int(first["code"][3:7])
    assert first["code"] == f"PG/{year}-{(year + 1) % 100:02d}/000001"
    assert codes(await desk.create(parentId="spg_00000000-0000-7000-8000-000000000000")) == [
        "PROGRAM_PARENT_ID_NOT_FOUND"
    ]
    second, elsewhere = await desk.program(), await desk.program(locationCode="rupnagar")
    assert second["code"].endswith("/000002")
    assert elsewhere["code"].endswith("/000001")


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({"startDate": "2026-04-02", "endDate": "2026-04-01"}, ["DATES_ERROR"], id="T-P04"),
        pytest.param({"startDate": "2026-04-01", "endDate": "2026-04-01"}, [], id="T-P05"),
        pytest.param({"endDate": None}, [], id="T-P06"),
        pytest.param({"name": "x"}, ["PROGRAM_NAME"], id="T-P08-1"),
        pytest.param({"name": "xy"}, [], id="T-P08-2"),
        pytest.param({"name": "x" * 64}, [], id="T-P08-64"),
        pytest.param({"name": "x" * 65}, ["PROGRAM_NAME"], id="T-P08-65"),
        pytest.param({"description": "x" * 256}, [], id="T-P09-256"),
        pytest.param({"description": "x" * 257}, ["PROGRAM_DESCRIPTION"], id="T-P09-257"),
        pytest.param({"locationCode": "nowhere"}, ["LOCATION_CODE_INVALID"], id="place"),
        pytest.param({"currency": "XYZ"}, ["CURRENCY"], id="currency"),
        pytest.param({"codes": {"function": "x"}}, ["SEGMENT_CODE"], id="segment"),
        pytest.param({"startDate": "1901-01-01"}, ["VALIDITY_DATE"], id="T-P03"),
    ],
)
async def test_a_program_is_checked(desk: Desk, over: dict[str, Any], expected: list[str]) -> None:
    assert codes(await desk.create(**over)) == expected


async def test_tp07_a_parent_is_there_and_active(desk: Desk, program: dict[str, Any]) -> None:
    child = await desk.program(parentId=program["id"])
    assert child["parentId"] == program["id"]
    listed = await desk.acting.run(
        "query ($id: ID!) { spendingProgram(id: $id) { children { edges { node { id parent { id } } } } } }",
        id=program["id"],
    )
    (edge,) = listed["spendingProgram"]["children"]["edges"]
    assert edge["node"] == {"id": child["id"], "parent": {"id": program["id"]}}
    closed = (await desk.update(program, status="INACTIVE"))["program"]
    assert codes(await desk.create(parentId=closed["id"])) == ["PROGRAM_PARENT_ID_NOT_FOUND"]


async def test_the_same_key_begins_one_program(desk: Desk, database: Database) -> None:
    first = await desk.program(idempotencyKey="once")
    assert await desk.program(idempotencyKey="once") == first
    assert codes(await desk.create(idempotencyKey="once", name="Another")) == ["IDEMPOTENCY_CONFLICT"]
    assert codes(await desk.create(idempotencyKey="")) == ["IDEMPOTENCY_KEY"]
    assert await count(database, "program") == 1


async def test_tp15_tp20_a_program_changes_by_its_version(desk: Desk, program: dict[str, Any]) -> None:
    changed = (await desk.update(program, name="Renamed", status="INACTIVE"))["program"]
    kept = ("code", "startDate", "locationCode")
    assert (changed["name"], changed["status"], changed["version"]) == ("Renamed", "INACTIVE", 2)
    assert [changed[name] for name in kept] == [program[name] for name in kept]
    assert codes(await desk.update(program, name="Late")) == ["VERSION_CONFLICT"]
    again = (await desk.update(changed, status="ACTIVE"))["program"]
    assert again["status"] == "ACTIVE"
    assert codes(await desk.update(again, endDate="2019-01-01")) == ["DATES_ERROR"]


async def test_tp13_an_unknown_program_is_not_found(desk: Desk, program: dict[str, Any]) -> None:
    unknown = {**program, "id": program["id"][:-4] + "0000"}
    assert paths(await desk.update(unknown, name="Nobody")) == [("NOT_FOUND", "input.id")]


async def test_tp22_pages_hold_at_most_100(desk: Desk, program: dict[str, Any]) -> None:
    assert await desk.acting.codes("{ spendingPrograms(first: 101) { edges { cursor } } }") == ["PAGE_SIZE"]
    found = await desk.acting.run(
        'query { spendingPrograms(locationCode: "majher", status: ACTIVE, first: 1) { edges { node { id } } } }'
    )
    assert [edge["node"]["id"] for edge in found["spendingPrograms"]["edges"]] == [program["id"]]


# Sanctions


async def test_ts01_sanctions_begin_unallocated(desk: Desk, program: dict[str, Any]) -> None:
    made = (await desk.sanction(program, "1000", "500.50"))["sanctions"]
    assert [each["grossAmount"] for each in made] == ["1000.00", "500.50"]
    assert [each["netAmount"] for each in made] == ["1000.00", "500.50"]
    for each in made:
        assert each["balances"]["unallocated"] == each["balances"]["gross"] == each["grossAmount"]
        assert {each["balances"][name] for name in ("allocated", "available", "reserved")} == {"0.00"}


async def test_ts04_an_unknown_program_has_no_sanctions(desk: Desk, program: dict[str, Any]) -> None:
    unknown = {"id": program["id"][:-4] + "0000"}
    assert paths(await desk.sanction(unknown, "10")) == [("NO_PROGRAMS_FOUND", "input.programId")]


async def test_ts05_ts06_a_reference_means_one_sanction(desk: Desk, program: dict[str, Any]) -> None:
    sent = [{"referenceId": "S-1", "grossAmount": "100.00"}]
    first = await desk.sanction(program, sanctions=sent)
    assert (await desk.sanction(program, sanctions=sent))["sanctions"] == first["sanctions"]
    other = [{"referenceId": "S-2", "grossAmount": "5.00"}, {"referenceId": "S-1", "grossAmount": "100.01"}]
    assert paths(await desk.sanction(program, sanctions=other)) == [
        ("DUPLICATE_REFERENCE_CONFLICT", "input.sanctions.1.referenceId")
    ]
    listed = await desk.acting.run("{ sanctions { edges { node { referenceId } } } }")
    assert [edge["node"]["referenceId"] for edge in listed["sanctions"]["edges"]] == ["S-1"]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({"grossAmount": "0"}, ("AMOUNT_NOT_POSITIVE", "grossAmount"), id="T-S07-0"),
        pytest.param({"grossAmount": "-1"}, ("AMOUNT_NOT_POSITIVE", "grossAmount"), id="T-S07--1"),
        pytest.param({"grossAmount": "10.005"}, ("AMOUNT_SCALE", "grossAmount"), id="scale"),
        pytest.param({"grossAmount": "1e3"}, ("AMOUNT", "grossAmount"), id="exponent"),
        pytest.param({"grossAmount": "1" + "0" * 15}, ("AMOUNT", "grossAmount"), id="too-large"),
        pytest.param({"netAmount": "10.01"}, ("NET_GREATER_THAN_GROSS", "netAmount"), id="net"),
        pytest.param({"referenceId": ""}, ("REFERENCE_ID_LENGTH", "referenceId"), id="reference"),
    ],
)
async def test_a_sanction_is_checked(
    desk: Desk, program: dict[str, Any], over: dict[str, Any], expected: tuple[str, str]
) -> None:
    sent = [{"referenceId": "S-1", "grossAmount": "10", **over}]
    code, where = expected
    assert paths(await desk.sanction(program, sanctions=sent)) == [(code, f"input.sanctions.0.{where}")]


async def test_ts16_balances_and_ledger_are_visible(desk: Desk, s1: str, cast: Cast) -> None:
    found = await Desk(desk.client, cast.consumer).find(s1)
    assert found["balances"] == {
        "gross": "1000.00",
        "allocated": "600.00",
        "unallocated": "400.00",
        "available": "600.00",
        "reserved": "0.00",
        "retryHold": "0.00",
        "spent": "0.00",
    }
    told = [edge["node"] for edge in found["ledger"]["edges"]]
    assert [(e["number"], e["movement"], e["from"], e["to"], e["amount"]) for e in told] == [
        ("1", "SANCTION", "OUTSIDE", "UNALLOCATED", "1000.00"),
        ("2", "ALLOCATION", "UNALLOCATED", "AVAILABLE", "600.00"),
    ]
    assert told[1]["after"] == found["balances"]
    assert told[0]["cause"] == s1[4:]


async def test_balances_are_told_as_they_stood(desk: Desk, s1: str) -> None:
    at = (await desk.find(s1))["ledger"]["edges"][1]["node"]["at"]
    assert codes(await desk.allocate((s1, "DEDUCTION", "100"))) == []
    document = (
        f"query ($id: ID!, $at: Instant!) {{ sanction(id: $id) {{ balances(at: $at) {{ {BALANCES} }} }} }}"
    )

    async def then(instant: str) -> str:
        found = (await desk.acting.run(document, id=s1, at=instant))["sanction"]["balances"]
        return f"{found['allocated']} of {found['gross']}"

    assert await then(at) == "600.00 of 1000.00"
    assert await then("2020-01-01T00:00:00Z") == "0 of 0"
    assert await then("2999-01-01T00:00:00Z") == "500.00 of 1000.00"


async def test_an_increase_is_unallocated_at_first(desk: Desk, s1: str) -> None:
    first = await desk.increase(s1, "50.25", idempotencyKey="more")
    assert (first["sanction"]["grossAmount"], first["sanction"]["netAmount"]) == ("1050.25", "1050.25")
    assert first["sanction"]["balances"]["unallocated"] == "450.25"
    again = await desk.increase(s1, "50.25", idempotencyKey="more", referenceId="other")
    assert codes(again) == ["IDEMPOTENCY_CONFLICT"]
    assert codes(await desk.increase(s1, "-1")) == ["AMOUNT_NOT_POSITIVE"]
    assert await desk.stands(s1) == ("600.00", "600.00")


async def test_a_closed_sanction_takes_nothing_new_but_gives_back(desk: Desk, s1: str) -> None:
    assert codes(await desk.close(s1)) == []
    assert codes(await desk.allocate((s1, "ALLOCATION", "1"))) == ["SANCTION_NOT_ACTIVE"]
    assert codes(await desk.increase(s1, "1")) == ["SANCTION_NOT_ACTIVE"]
    assert codes(await desk.allocate((s1, "DEDUCTION", "600"))) == []
    assert codes(await desk.close(s1, status="ACTIVE")) == []
    assert codes(await desk.allocate((s1, "ALLOCATION", "1"))) == []


async def test_nothing_new_begins_outside_a_programs_days_or_while_it_is_closed(
    desk: Desk, program: dict[str, Any], s1: str
) -> None:
    over = (await desk.update(program, endDate="2021-03-31"))["program"]
    assert paths(await desk.sanction(over, "1")) == [("PROGRAM_OUT_OF_PERIOD", "input.programId")]
    assert codes(await desk.allocate((s1, "ALLOCATION", "1"))) == ["PROGRAM_OUT_OF_PERIOD"]
    closed = (await desk.update(over, endDate="2099-03-31", status="INACTIVE"))["program"]
    assert codes(await desk.sanction(closed, "1")) == ["PROGRAM_NOT_ACTIVE"]
    assert codes(await desk.increase(s1, "1")) == ["PROGRAM_NOT_ACTIVE"]


# Allocations


@pytest.mark.parametrize(
    ("items", "expected", "stands"),
    [
        pytest.param([("ALLOCATION", "400.00")], [], ("1000.00", "1000.00"), id="T-L01"),
        pytest.param(
            [("ALLOCATION", "400.01")],
            ["SANCTIONED_AMOUNT_ERROR_ALLOCATION"],
            ("600.00", "600.00"),
            id="T-L02",
        ),
        pytest.param([("ALLOCATION", "700"), ("DEDUCTION", "300")], [], ("1000.00", "1000.00"), id="T-L03"),
        pytest.param([("DEDUCTION", "600.00")], [], ("0.00", "0.00"), id="T-L04"),
        pytest.param(
            [("DEDUCTION", "600.01")], ["AVAILABLE_AMOUNT_ERROR_DEDUCTION"], ("600.00", "600.00"), id="T-L05"
        ),
        pytest.param(
            [("ALLOCATION", "5000"), ("DEDUCTION", "5000")], [], ("600.00", "600.00"), id="nothing-net"
        ),
    ],
)
async def test_allocations_move_the_net_of_a_batch(
    desk: Desk, s1: str, items: list[tuple[str, str]], expected: list[str], stands: tuple[str, str]
) -> None:
    assert codes(await desk.allocate(*[(s1, kind, amount) for kind, amount in items])) == expected
    assert await desk.stands(s1) == stands


async def test_tl07_a_batch_is_refused_as_a_whole(
    desk: Desk, program: dict[str, Any], s1: str, database: Database
) -> None:
    s2 = await desk.sanctioned(program, "10")
    before = await count(database, "allocation"), await count(database, "ledger_entry")
    refused = await desk.allocate((s1, "ALLOCATION", "400"), (s2, "ALLOCATION", "11"))
    assert paths(refused) == [("SANCTIONED_AMOUNT_ERROR_ALLOCATION", "input.allocations.1.amount")]
    assert (await count(database, "allocation"), await count(database, "ledger_entry")) == before
    assert await desk.stands(s1) == ("600.00", "600.00")


async def test_tl08_unknown_sanctions_are_named(desk: Desk, s1: str) -> None:
    unknown = s1[:-4] + "0000"
    refused = await desk.allocate((s1, "ALLOCATION", "1"), (unknown, "ALLOCATION", "1"))
    assert paths(refused) == [("SANCTIONS_NOT_FOUND", "input.allocations.1.sanctionId")]


async def test_tl10_tl17_a_reference_means_one_allocation(desk: Desk, s1: str) -> None:
    sent = [{"sanctionId": s1, "amount": "100.00", "referenceId": "A-1"}]
    first = await desk.allocate(allocations=sent)
    again = await desk.allocate(allocations=sent)
    assert again["allocations"] == first["allocations"]
    assert await desk.stands(s1) == ("700.00", "700.00")
    mixed = [*sent, {"sanctionId": s1, "amount": "50.00", "referenceId": "A-2"}]
    assert codes(await desk.allocate(allocations=mixed)) == []
    assert await desk.stands(s1) == ("750.00", "750.00")
    other = [{"sanctionId": s1, "amount": "100.01", "referenceId": "A-1"}]
    assert paths(await desk.allocate(allocations=other)) == [
        ("DUPLICATE_REFERENCE_CONFLICT", "input.allocations.0.referenceId")
    ]
    assert await desk.stands(s1) == ("750.00", "750.00")


async def test_tl17_the_same_message_twice_is_applied_once(desk: Desk, s1: str) -> None:
    given = {
        "idempotencyKey": "twice",
        "allocations": [{"sanctionId": s1, "amount": "100.00", "referenceId": "A-9"}],
    }
    assert await desk.allocate(**given) == await desk.allocate(**given)
    assert await desk.stands(s1) == ("700.00", "700.00")
    given["allocations"] = [{"sanctionId": s1, "amount": "100.00", "referenceId": "A-10"}]
    assert codes(await desk.allocate(**given)) == ["IDEMPOTENCY_CONFLICT"]


async def test_batches_are_bounded(desk: Desk, program: dict[str, Any], s1: str) -> None:
    assert codes(await desk.allocate()) == ["BATCH_SIZE"]
    assert codes(await desk.sanction(program)) == ["BATCH_SIZE"]
    assert codes(await desk.allocate(*[(s1, "ALLOCATION", "1")] * 501)) == ["BATCH_SIZE"]


# Who may


async def test_only_providers_of_the_agency_change_its_programs(
    desk: Desk, program: dict[str, Any], s1: str, cast: Cast, database: Database, means: Means
) -> None:
    """Consumers see but do not change; providers of others neither see nor change; who is both sees."""
    for system, told in ((cast.consumer, "ROLE_NOT_ALLOWED"), (cast.both, "ROLE_NOT_ALLOWED")):
        other = Desk(desk.client, system)
        assert (await other.find(s1))["id"] == s1
        assert codes(await other.update(program, name="Mine now")) == [told]
        assert codes(await other.sanction(program, "1")) == [told]
        assert codes(await other.allocate((s1, "DEDUCTION", "1"))) == [told]
        assert codes(await other.increase(s1, "1")) == [told]
        assert codes(await other.close(s1)) == [told]
    stranger = Desk(desk.client, await make_system(database, means, roles=[SystemRole.PROVIDER]))
    assert await stranger.acting.run("query ($id: ID!) { sanction(id: $id) { id } }", id=s1) == {
        "sanction": None
    }
    assert codes(await stranger.allocate((s1, "DEDUCTION", "1"))) == ["SANCTIONS_NOT_FOUND"]
    assert codes(await stranger.sanction(program, "1")) == ["NO_PROGRAMS_FOUND"]
    assert codes(await stranger.increase(s1, "1")) == ["NOT_FOUND"]
    assert await desk.stands(s1) == ("600.00", "600.00")


# The books


async def test_every_change_is_in_the_log_and_the_books_agree(
    desk: Desk, program: dict[str, Any], s1: str, database: Database, means: Means, settings: Settings
) -> None:
    await desk.update(program, name="Renamed")
    await desk.increase(s1, "10")
    await sequence_all(database, means)

    async def findings() -> list[str]:
        audit = Audit(database, SOURCES, means.log_origin, means.log_key.public)
        return [str(finding) async for finding in audit.findings()]

    async with database.read() as read:
        rows = await read.rows(
            text(
                "SELECT kind, count(*) AS n FROM log_leaf WHERE kind IN ('PROGRAM','ALLOCATION','FUNDS') GROUP BY 1"
            )
        )
        assert {row["kind"]: row["n"] for row in rows.mappings()} == {
            "PROGRAM": 4,
            "ALLOCATION": 1,
            "FUNDS": 3,
        }
    assert await findings() == []
    await as_owner(settings, "UPDATE sanction SET available = available - 1, spent = spent + 1")
    (found,) = await findings()
    assert found.startswith("CONTRADICTION: FUNDS")
    assert "the balances are not what the ledger says" in found


@pytest.mark.parametrize(
    "change",
    ["available = available + 1", "available = -1, unallocated = unallocated + available + 1", "gross = 999"],
)
async def test_the_database_itself_keeps_the_buckets_whole(
    desk: Desk, s1: str, settings: Settings, change: str
) -> None:
    with pytest.raises(DBAPIError, match="ck_sanction"):
        await as_owner(settings, f"UPDATE sanction SET {change}")


async def test_a_movement_has_one_way_and_a_cause_moves_once(desk: Desk, s1: str, settings: Settings) -> None:
    copy = (
        "INSERT INTO ledger_entry SELECT tenant_id, gen_random_uuid(), sanction_id, {number}, movement, from_bucket, "
        "{to}, amount, {cause}, actor, actor_id, at, unallocated, available, reserved, retry_hold, spent "
        "FROM ledger_entry WHERE number = 2"
    )
    fresh = "gen_random_uuid()"
    for number, to, cause, said in (
        (3, "'SPENT'", fresh, "ck_ledger_entry_way"),
        (3, "to_bucket", "cause_id", "uq_ledger_entry_cause"),
        (2, "to_bucket", fresh, "uq_ledger_entry_number"),
    ):
        with pytest.raises(DBAPIError, match=said):
            await as_owner(settings, copy.format(number=number, to=to, cause=cause))
