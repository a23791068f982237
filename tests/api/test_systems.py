"""Systems, their unique ids and API keys (spec 18.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hub.domain import registry
from hub.domain.registry import Agency, Environment, SystemRole
from hub.settings import Settings
from tests.api.registry_hub import Hub, running
from tests.client import Client
from tests.factories.registry import make_agency, make_system

pytestmark = pytest.mark.anyio

START = datetime(2026, 10, 13, 10, 0, tzinfo=UTC)
ME = "{ me { kind system { uniqueId roles environment status } } }"
REGISTER = """
mutation ($input: RegisterSystemInput!) {
  registerSystem(input: $input) {
    system { id uniqueId roles environment status }
    apiKey { id keyId state } secret errors { code path }
  }
}
"""
REGENERATE = """
mutation ($id: ID!) { regenerateApiKey(input: {systemId: $id}) { apiKey { id state } secret errors { code } } }
"""
PREPARE = """
mutation ($id: ID!) { prepareApiKey(input: {systemId: $id}) { apiKey { id state } secret errors { code } } }
"""
ACTIVATE = "mutation ($id: ID!) { activateApiKey(input: {id: $id}) { apiKey { state } errors { code } } }"
REVOKE = "mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { state } errors { code } } }"
KEYS = "query ($id: ID!) { apiKeys(systemId: $id) { edges { node { id keyId state lastUsedAt } } } }"
SUSPEND = "mutation ($id: ID!) { suspendSystem(input: {id: $id}) { system { status } errors { code } } }"
RESUME = "mutation ($id: ID!) { resumeSystem(input: {id: $id}) { system { status } errors { code } } }"
CLOSE = "mutation ($id: ID!) { closeSystem(input: {id: $id}) { system { status } errors { code } } }"
SYSTEMS = "{ systems { edges { node { uniqueId } } } }"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


async def register(browser: Client, agency: Agency, **changes: Any) -> dict[str, Any]:
    """The payload of a registration of the provider mGramSeva."""
    given = {"agencyId": f"agy_{agency.id}", "name": "mGramSeva", "roles": ["PROVIDER"], **changes}
    payload: dict[str, Any] = (await browser.run(REGISTER, input=given))["registerSystem"]
    return payload


async def test_k01_k02_unique_ids_come_from_the_name_and_never_collide(hub: Hub) -> None:
    browser, agency = await hub.owner()
    first = await register(browser, agency)
    second = await register(browser, agency)
    assert first["system"]["uniqueId"] == "mgramseva@punjab.ifix.org"
    assert second["system"]["uniqueId"] == "mgramseva-2@punjab.ifix.org"


async def test_k02_ten_at_once_get_ten_ids(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await asyncio.gather(*(register(browser, agency) for _ in range(10)))
    ids = {each["system"]["uniqueId"] for each in made}
    assert ids == {"mgramseva@punjab.ifix.org", *(f"mgramseva-{n}@punjab.ifix.org" for n in range(2, 11))}


async def test_k03_a_system_without_role_is_refused(hub: Hub) -> None:
    browser, agency = await hub.owner()
    payload = await register(browser, agency, roles=[])
    assert payload["errors"] == [{"code": "ROLE_REQUIRED", "path": ["input", "roles"]}]
    assert await hub.count("system") == 0


async def test_a_name_is_two_to_64_characters(hub: Hub) -> None:
    browser, agency = await hub.owner()
    for name in ("x", " y ", "n" * 65, "a\nb"):
        assert (await register(browser, agency, name=name))["errors"][0]["code"] == "SYSTEM_NAME"
    assert await hub.count("system") == 0


async def test_k04_a_system_may_be_provider_and_consumer(hub: Hub) -> None:
    browser, agency = await hub.owner()
    payload = await register(browser, agency, roles=["PROVIDER", "CONSUMER"])
    assert sorted(payload["system"]["roles"]) == ["CONSUMER", "PROVIDER"]


async def test_k05_the_key_is_shown_once(hub: Hub) -> None:
    browser, agency = await hub.owner()
    payload = await register(browser, agency)
    secret = payload["secret"]
    assert len(secret) == 68
    assert secret.startswith(f"fhub_live_{payload['apiKey']['keyId']}_")
    seen = await browser.send(KEYS, id=payload["system"]["id"])
    assert secret[19:] not in seen.text
    assert seen.json()["data"]["apiKeys"]["edges"][0]["node"]["keyId"] == payload["apiKey"]["keyId"]
    stored = await hub.scalar("SELECT string_agg(k::text, ' ') FROM api_key k")
    assert secret[19:62] not in stored
    me = (await hub.client.acting(secret).run(ME))["me"]
    assert me["system"]["uniqueId"] == "mgramseva@punjab.ifix.org"


async def test_k06_the_old_key_stops_after_regeneration(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    old = hub.client.acting(made["secret"])
    await old.run(ME)
    new = (await browser.run(REGENERATE, id=made["system"]["id"]))["regenerateApiKey"]
    assert await old.codes(ME) == ["KEY_REVOKED"]
    assert (await old.send(ME)).status_code == 401
    assert (await hub.client.acting(new["secret"]).run(ME))["me"]["kind"] == "SYSTEM"


async def test_k06_a_key_revoked_by_another_process_stops_within_five_seconds(hub: Hub, clock: Any) -> None:
    system = await make_system(hub.database, hub.means)
    caller = hub.client.acting(system.api_key)
    await caller.run(ME)
    async with hub.database.transaction() as tx:
        await tx.execute(text("UPDATE api_key SET state = 'REVOKED', revoked_at = now()"))
    clock.shift(timedelta(seconds=3))
    assert await caller.codes(ME) == ["KEY_REVOKED"]


async def test_k07_regenerations_at_the_same_instant_leave_one_active_key(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    answers = await asyncio.gather(*(browser.run(REGENERATE, id=made["system"]["id"]) for _ in range(8)))
    secrets = [answer["regenerateApiKey"]["secret"] for answer in answers]
    assert await hub.scalar("SELECT count(*) FROM api_key WHERE state = 'ACTIVE'") == 1
    working = [secret for secret in secrets if await hub.client.acting(secret).codes(ME) == []]
    assert len(working) == 1


async def test_k08_the_database_refuses_a_second_active_key(hub: Hub) -> None:
    await make_system(hub.database, hub.means)
    copy = text(
        "INSERT INTO api_key (tenant_id, id, system_id, public_id, key_hash, state, created_at, expires_at) "
        "SELECT tenant_id, gen_random_uuid(), system_id, 'another1', key_hash, state, created_at, expires_at "
        "FROM api_key"
    )
    with pytest.raises(IntegrityError, match="uq_api_key_active"):
        async with hub.database.transaction() as tx:
            await tx.execute(copy)
    assert await hub.count("api_key") == 1


async def test_k09_a_prepared_key_is_pending_until_it_is_activated(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    old = hub.client.acting(made["secret"])
    prepared = (await browser.run(PREPARE, id=made["system"]["id"]))["prepareApiKey"]
    new = hub.client.acting(prepared["secret"])
    assert await new.codes(ME) == ["KEY_PENDING"]
    assert await old.codes(ME) == []
    activated = (await browser.run(ACTIVATE, id=prepared["apiKey"]["id"]))["activateApiKey"]
    assert activated == {"apiKey": {"state": "ACTIVE"}, "errors": []}
    assert await new.codes(ME) == []
    assert await old.codes(ME) == ["KEY_REVOKED"]
    again = (await browser.run(ACTIVATE, id=made["apiKey"]["id"]))["activateApiKey"]
    assert again["errors"] == [{"code": "KEY_STATE"}]


async def test_a_revoked_key_stops_and_stays_revoked(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    for _ in range(2):
        answer = await browser.run(REVOKE, id=made["apiKey"]["id"])
        assert answer["revokeApiKey"] == {"apiKey": {"state": "REVOKED"}, "errors": []}
    assert await hub.client.acting(made["secret"]).codes(ME) == ["KEY_REVOKED"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer " + "x" * 5000])
async def test_k12_no_key_or_nonsense_is_unauthenticated(hub: Hub, header: str | None) -> None:
    headers = {"content-type": "application/json", **({} if header is None else {"authorization": header})}
    response = await hub.client.http.post("/graphql", json={"query": ME}, headers=headers)
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_every_single_typo_is_refused_without_looking(hub: Hub) -> None:
    system = await make_system(hub.database, hub.means)
    key = system.api_key
    for at in range(10, len(key)):
        typo = key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :]
        assert registry.read_api_key(typo) is None
    assert await hub.client.acting(key[:-1] + ("A" if key[-1] != "A" else "B")).codes(ME) == [
        "UNAUTHENTICATED"
    ]


async def test_a_right_key_id_with_another_secret_is_unauthenticated(hub: Hub) -> None:
    system = await make_system(hub.database, hub.means)
    body = system.api_key[:19] + "A" * 43
    forged = body + registry.checksum(body)
    assert registry.read_api_key(forged) is not None
    assert await hub.client.acting(forged).codes(ME) == ["UNAUTHENTICATED"]


async def test_a_key_ends_after_365_days(hub: Hub, clock: Any) -> None:
    system = await make_system(hub.database, hub.means)
    clock.shift(timedelta(days=365) - timedelta(seconds=1))
    assert await hub.client.acting(system.api_key).codes(ME) == []
    clock.shift(timedelta(seconds=4))
    assert await hub.client.acting(system.api_key).codes(ME) == ["KEY_EXPIRED"]


async def test_k16_a_suspended_system_may_not_act_until_it_is_resumed(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    caller = hub.client.acting(made["secret"])
    assert await caller.codes(ME) == []
    assert (await browser.run(SUSPEND, id=made["system"]["id"]))["suspendSystem"]["system"] == {
        "status": "SUSPENDED"
    }
    assert await caller.codes(ME) == ["SYSTEM_NOT_ACTIVE"]
    refused = (await browser.run(REGENERATE, id=made["system"]["id"]))["regenerateApiKey"]
    assert refused["errors"] == [{"code": "SYSTEM_NOT_ACTIVE"}]
    await browser.run(RESUME, id=made["system"]["id"])
    assert await caller.codes(ME) == []


async def test_an_operators_suspension_is_lifted_by_operators_alone(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    operator = await hub.add_operator("op@punjab.gov.in")
    await operator.run(SUSPEND, id=made["system"]["id"])
    refused = (await browser.run(RESUME, id=made["system"]["id"]))["resumeSystem"]
    assert refused == {"system": None, "errors": [{"code": "ROLE_NOT_ALLOWED"}]}
    assert await hub.scalar("SELECT status FROM system") == "SUSPENDED"
    resumed = (await operator.run(RESUME, id=made["system"]["id"]))["resumeSystem"]
    assert resumed["system"] == {"status": "ACTIVE"}


async def test_k17_a_closed_systems_id_stays_taken(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    closed = (await browser.run(CLOSE, id=made["system"]["id"]))["closeSystem"]
    assert closed["system"] == {"status": "CLOSED"}
    assert await hub.client.acting(made["secret"]).codes(ME) == ["KEY_REVOKED"]
    again = await register(browser, agency, uniqueId="mgramseva@punjab.ifix.org")
    assert again["errors"] == [{"code": "SYSTEM_ID_TAKEN", "path": ["input", "uniqueId"]}]
    assert (await register(browser, agency))["system"]["uniqueId"] == "mgramseva-2@punjab.ifix.org"
    back = (await browser.run(RESUME, id=made["system"]["id"]))["resumeSystem"]
    assert back["errors"] == [{"code": "SYSTEM_NOT_ACTIVE"}]


@pytest.mark.parametrize(
    "wanted", ["x@punjab.ifix.org", "good@haryana.ifix.org", "good@test.punjab.ifix.org", "good"]
)
async def test_a_wanted_id_must_be_the_governments(hub: Hub, wanted: str) -> None:
    browser, agency = await hub.owner()
    payload = await register(browser, agency, uniqueId=wanted)
    assert payload["errors"] == [{"code": "SYSTEM_NAME", "path": ["input", "uniqueId"]}]
    assert await hub.count("system") == 0


async def test_k19_a_test_key_is_nobody_where_only_live_runs(settings: Settings) -> None:
    live_only = settings.model_copy(update={"environments": frozenset({"LIVE"})})
    async with running(live_only) as hub:
        test = await make_system(hub.database, hub.means, environment=Environment.TEST)
        live = await make_system(hub.database, hub.means)
        assert test.api_key.startswith("fhub_test_")
        assert await hub.client.acting(test.api_key).codes(ME) == ["UNAUTHENTICATED"]
        assert await hub.client.acting(live.api_key).codes(ME) == []


async def test_a_suspended_agency_silences_its_systems(hub: Hub) -> None:
    agency = await make_agency(hub.database, hub.means)
    system = await make_system(hub.database, hub.means, agency=agency)
    operator = await hub.add_operator("op@punjab.gov.in")
    act = "mutation ($id: ID!) { %s(input: {id: $id}) { agency { state } errors { code } } }"
    caller = hub.client.acting(system.api_key)
    assert await caller.codes(ME) == []
    await operator.run(act % "suspendAgency", id=f"agy_{agency.id}")
    assert await caller.codes(ME) == ["SYSTEM_NOT_ACTIVE"]
    await operator.run(act % "resumeAgency", id=f"agy_{agency.id}")
    assert await caller.codes(ME) == []
    await operator.run(act % "closeAgency", id=f"agy_{agency.id}")
    assert await caller.codes(ME) == ["KEY_REVOKED"]
    assert await hub.scalar("SELECT status FROM system") == "CLOSED"


async def test_the_same_idempotency_key_registers_once(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await asyncio.gather(*(register(browser, agency, idempotencyKey="k1") for _ in range(20)))
    assert len({each["system"]["id"] for each in made}) == 1
    assert len([each for each in made if each["secret"] is not None]) == 1
    assert await hub.count("system") == 1
    other = await register(browser, agency, idempotencyKey="k1", name="Another")
    assert other["errors"] == [{"code": "IDEMPOTENCY_CONFLICT", "path": ["input", "idempotencyKey"]}]
    assert await hub.count("system") == 1


async def test_the_last_use_of_a_key_is_noted(hub: Hub) -> None:
    browser, agency = await hub.owner()
    made = await register(browser, agency)
    await hub.client.acting(made["secret"]).run(ME)
    await registry.write_uses(hub.database, datetime.now(UTC))
    keys = await browser.run(KEYS, id=made["system"]["id"])
    assert keys["apiKeys"]["edges"][0]["node"]["lastUsedAt"] is not None


async def test_the_directory_shows_whom_one_can_address_and_nothing_else(hub: Hub) -> None:
    asker = await make_system(hub.database, hub.means, name="Asker")
    await make_system(hub.database, hub.means, name="Other", roles=[SystemRole.CONSUMER])
    await make_system(hub.database, hub.means, name="Tester", environment=Environment.TEST)
    await make_system(hub.database, hub.means, name="Foreign", tenant="hr")
    gone = await make_system(hub.database, hub.means, name="Gone")
    async with hub.database.transaction() as tx:
        await tx.execute(text("UPDATE system SET status = 'CLOSED' WHERE id = :id"), {"id": gone.system_id})
    query = "query ($n: Int!, $a: String) { directory(first: $n, after: $a) { edges { node { uniqueId name roles } } pageInfo { hasNextPage endCursor } } }"
    caller = hub.client.acting(asker.api_key)
    one = (await caller.run(query, n=1))["directory"]
    two = (await caller.run(query, n=1, a=one["pageInfo"]["endCursor"]))["directory"]
    found = [edge["node"] for edge in one["edges"] + two["edges"]]
    assert [node["uniqueId"] for node in found] == ["asker@punjab.ifix.org", "other@punjab.ifix.org"]
    assert (one["pageInfo"]["hasNextPage"], two["pageInfo"]["hasNextPage"]) == (True, False)
    assert found[1]["roles"] == ["CONSUMER"]
    operator = await hub.add_operator("op@punjab.gov.in")
    assert await operator.codes(query, n=1) == ["ROLE_NOT_ALLOWED"]


async def test_lists_page_and_refuse_what_is_no_cursor(hub: Hub) -> None:
    browser, agency = await hub.owner()
    for _ in range(3):
        await register(browser, agency)
    query = "query ($a: String, $n: Int!) { systems(first: $n, after: $a) { edges { node { uniqueId } } pageInfo { endCursor hasNextPage } } }"
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = (await browser.run(query, n=1, a=cursor))["systems"]
        seen += [edge["node"]["uniqueId"] for edge in page["edges"]]
        cursor = page["pageInfo"]["endCursor"]
    assert len(set(seen)) == 3
    assert page["pageInfo"]["hasNextPage"] is False
    assert await browser.codes(query, n=1, a="bm9uc2Vuc2U") == ["CURSOR"]
    assert await browser.codes(query, n=0) == ["PAGE_SIZE"]
    assert await browser.codes(query, n=101) == ["PAGE_SIZE"]


TENANT = """
mutation ($input: CreateTenantInput!) {
  createTenant(input: $input) { tenant { id code slug parent currency version } errors { code path } }
}
"""
UPDATE = """
mutation ($input: UpdateTenantInput!) {
  updateTenant(input: $input) { tenant { version attributePolicy } errors { code path } }
}
"""


async def test_m21_a_government_code_is_used_once(hub: Hub) -> None:
    operator = await hub.add_operator("op@punjab.gov.in")
    child = {"code": "pb.amritsar", "slug": "amritsar", "name": "Amritsar", "parent": "pb"}
    made = (await operator.run(TENANT, input=child))["createTenant"]
    assert made["errors"] == []
    assert (made["tenant"]["parent"], made["tenant"]["currency"]) == ("pb", "INR")
    mine = await operator.run("{ me { operatorOf { code } } }")
    assert [tenant["code"] for tenant in mine["me"]["operatorOf"]] == ["pb", "pb.amritsar"]
    again = (await operator.run(TENANT, input={**child, "slug": "other"}))["createTenant"]
    assert again["errors"] == [{"code": "CODE_EXISTS", "path": ["input", "code"]}]
    slug = (await operator.run(TENANT, input={**child, "code": "pb.other"}))["createTenant"]
    assert slug["errors"] == [{"code": "CODE_EXISTS", "path": ["input", "slug"]}]
    assert await hub.count("tenant") == 2


async def test_only_the_hub_and_operators_of_the_parent_add_governments(hub: Hub) -> None:
    browser, _ = await hub.owner()
    operator = await hub.add_operator("op@punjab.gov.in")
    child = {"code": "pb.x1", "slug": "x1", "name": "X1", "parent": "pb"}
    assert (await browser.run(TENANT, input=child))["createTenant"]["errors"][0]["code"] == "ROLE_NOT_ALLOWED"
    root = {**child, "parent": None}
    assert (await operator.run(TENANT, input=root))["createTenant"]["errors"][0]["code"] == "ROLE_NOT_ALLOWED"
    assert await hub.count("tenant") == 1


async def test_governments_are_made_and_changed_with_a_fresh_code_only(hub: Hub, clock: Any) -> None:
    operator = await hub.add_operator("op@punjab.gov.in")
    clock.shift(timedelta(minutes=15, seconds=1))
    child = {"code": "pb.x1", "slug": "x1", "name": "X1", "parent": "pb"}
    made = (await operator.run(TENANT, input=child))["createTenant"]
    changed = (await operator.run(UPDATE, input={"code": "pb", "version": 1, "attributePolicy": "OFF"}))[
        "updateTenant"
    ]
    assert [each["errors"][0]["code"] for each in (made, changed)] == ["STEP_UP_REQUIRED"] * 2
    assert await hub.count("tenant") == 1
    assert await hub.scalar("SELECT attribute_policy FROM tenant") == "WARN"


async def test_a_government_is_changed_by_the_version_that_was_read(hub: Hub) -> None:
    operator = await hub.add_operator("op@punjab.gov.in")
    change = {"code": "pb", "version": 1, "attributePolicy": "ENFORCE"}
    answers = await asyncio.gather(*(operator.run(UPDATE, input=change) for _ in range(5)))
    done = [answer["updateTenant"] for answer in answers]
    assert [each["tenant"] for each in done if not each["errors"]] == [
        {"version": 2, "attributePolicy": "ENFORCE"}
    ]
    assert [each["errors"][0]["code"] for each in done if each["errors"]] == ["VERSION_CONFLICT"] * 4
    changes = "SELECT count(*) FROM registry_event WHERE subject = 'TENANT' AND change = 'UPDATED'"
    assert await hub.scalar(changes) == 1


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"code": "PB!"}, "code"),
        ({"currency": "rupees"}, "currency"),
        ({"timeZone": "Asia/Nowhere"}, "timeZone"),
        ({"fiscalYearStart": "02-30"}, "fiscalYearStart"),
        ({"majorTypePolicy": "OFF"}, "majorTypePolicy"),
        ({"emailDomains": ["not a host"]}, "emailDomains"),
    ],
)
async def test_a_malformed_government_is_refused(hub: Hub, change: dict[str, Any], path: str) -> None:
    operator = await hub.add_operator("op@punjab.gov.in")
    given = {"code": "pb.y1", "slug": "y1", "name": "Y1", "parent": "pb", **change}
    answer = (await operator.run(TENANT, input=given))["createTenant"]
    assert [error["path"] for error in answer["errors"]] == [["input", path]]
    assert await hub.count("tenant") == 1


async def test_the_demo_is_ready_to_use_and_repeats_with_new_keys(hub: Hub) -> None:
    demos = []
    for _ in range(2):
        async with hub.database.transaction() as tx:
            demos.append(await registry.create_demo(tx, hub.means, registry.HubCaller("test")))
    first, second = demos
    assert first.provider.unique_id == second.provider.unique_id == "treasury@punjab.ifix.org"
    assert await hub.client.acting(first.provider_key.secret).codes(ME) == ["KEY_REVOKED"]
    me = (await hub.client.acting(second.consumer_key.secret).run(ME))["me"]["system"]
    assert me == {
        "uniqueId": "dashboard@punjab.ifix.org",
        "roles": ["CONSUMER"],
        "environment": "LIVE",
        "status": "ACTIVE",
    }
    assert await hub.count("system") == 2
