"""Attacks on who is who: borrowed idempotency keys, dead sessions, roles of another agency or government."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from nacl.signing import SigningKey

from hub.domain import registry
from hub.domain.registry import Environment
from hub.settings import Settings
from tests.api.registry_hub import Hub, agency_input, running
from tests.client import Client
from tests.factories.registry import ASK, ENTER, HUB, make_agency, make_system, make_tenant, sign_in

pytestmark = pytest.mark.anyio

EMAIL = "asha@finance.punjab.gov.in"
ME = "{ me { kind email agency { id } } }"
REGISTER = """
mutation ($input: RegisterSystemInput!) {
  registerSystem(input: $input) { system { id uniqueId } secret errors { code path } }
}
"""
CHALLENGE = """
mutation ($input: RequestKeyChallengeInput!) {
  requestKeyChallenge(input: $input) { challenge { challenge bytesToSign } errors { code } }
}
"""
ADD_KEY = "mutation ($input: AddSigningKeyInput!) { addSigningKey(input: $input) { signingKey { id } errors { code } } }"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


async def in_two_agencies(hub: Hub) -> tuple[Client, Client, list[registry.Agency]]:
    """One person, a member of two agencies, signed in for each."""
    homes = [await make_agency(hub.database, hub.means, email=EMAIL) for _ in range(2)]
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=5), tick=False):
        first = await sign_in(hub.client, hub.post, EMAIL, agency=f"agy_{homes[0].id}")
    second = await sign_in(hub.client, hub.post, EMAIL, agency=f"agy_{homes[1].id}")
    return first, second, homes


async def test_an_idempotency_key_never_answers_with_another_agencys_system(hub: Hub) -> None:
    first, second, homes = await in_two_agencies(hub)
    wanted = {"name": "mGramSeva", "roles": ["CONSUMER"], "environment": "TEST", "idempotencyKey": "k"}
    made = await first.run(REGISTER, input={**wanted, "agencyId": f"agy_{homes[0].id}"})
    assert made["registerSystem"]["errors"] == []
    other = await second.run(REGISTER, input={**wanted, "agencyId": f"agy_{homes[1].id}"})
    assert other["registerSystem"]["system"] is None
    assert [error["code"] for error in other["registerSystem"]["errors"]] == ["IDEMPOTENCY_CONFLICT"]
    assert await hub.count("system") == 1


async def test_another_persons_idempotency_key_is_just_another_key(hub: Hub) -> None:
    home = await make_agency(hub.database, hub.means, email=EMAIL)
    owner = await sign_in(hub.client, hub.post, EMAIL)
    other, foreign = await hub.owner("ravi@works.punjab.gov.in")
    wanted = {"name": "mGramSeva", "roles": ["CONSUMER"], "environment": "TEST", "idempotencyKey": "k"}
    made = [
        (await browser.run(REGISTER, input={**wanted, "agencyId": f"agy_{agency_id}"}))["registerSystem"]
        for browser, agency_id in ((owner, home.id), (other, foreign.id))
    ]
    assert all(answer["errors"] == [] and answer["secret"] for answer in made)
    assert made[0]["system"]["id"] != made[1]["system"]["id"]


async def test_a_member_removed_from_one_agency_keeps_nothing_of_it(hub: Hub) -> None:
    first, second, homes = await in_two_agencies(hub)
    async with hub.database.transaction() as tx:
        members = await registry.list_members(tx, await _as_person(hub, first, homes[0]), after=None, limit=5)
    person = members[0].person_id
    owner = await _invite_owner(hub, first)
    removed = "mutation ($id: ID!) { removePerson(input: {personId: $id}) { removed errors { code } } }"
    gone = await owner.run(removed, id=f"per_{person}")
    assert gone["removePerson"]["errors"] == []
    assert await first.codes(ME) == ["UNAUTHENTICATED"]
    assert (await second.run(ME))["me"]["agency"]["id"] == f"agy_{homes[1].id}"


async def _as_person(hub: Hub, browser: Client, home: registry.Agency) -> registry.PersonCaller:
    caller = await registry_caller(hub, browser)
    assert caller.agency_id == home.id
    return caller


async def registry_caller(hub: Hub, browser: Client) -> registry.PersonCaller:
    """The caller a browser's cookie stands for."""
    async with hub.database.read() as read:
        caller = await registry.authenticate(
            read, hub.means, authorization=None, session=browser.cookies["hub_session"], address=""
        )
    assert isinstance(caller, registry.PersonCaller)
    return caller


async def _invite_owner(hub: Hub, browser: Client) -> Client:
    invite = "mutation ($input: InvitePersonInput!) { invitePerson(input: $input) { errors { code } } }"
    email = "meera@finance.punjab.gov.in"
    made = await browser.run(invite, input={"email": email, "name": "Meera", "roles": ["OWNER"]})
    assert made["invitePerson"]["errors"] == []
    await hub.post.deliver()
    return await sign_in(hub.client, hub.post, email)


async def test_a_planted_browser_name_or_session_signs_nobody_in(hub: Hub) -> None:
    await hub.owner()
    attacker, victim = hub.browser(), hub.browser()
    planted = "A" * 43
    victim.cookies["hub_browser"] = planted
    victim.cookies["hub_session"] = planted
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=True):
        await victim.run(ASK, email=EMAIL)
        answer = await victim.run(ENTER, email=EMAIL, code=await hub.post.code())
        assert answer["signIn"]["errors"] == []
        assert victim.cookies["hub_session"] != planted
        attacker.cookies.update({"hub_browser": planted, "hub_session": planted})
        assert await attacker.codes(ME) == ["UNAUTHENTICATED"]


async def test_guessing_from_many_browsers_at_once_gets_no_more_tries(hub: Hub) -> None:
    await hub.owner()
    browsers = [hub.browser() for _ in range(8)]
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=True):
        asked = await asyncio.gather(*(browser.send(ASK, email=EMAIL) for browser in browsers))
        assert sorted(response.status_code for response in asked) == [200] + [429] * 7
        owner = browsers[[response.status_code for response in asked].index(200)]
        code = await hub.post.code()
        wrong = f"{(int(code) + 1) % 10**8:08d}"
        others = [browser for browser in browsers if browser is not owner]
        await asyncio.gather(*(browser.run(ENTER, email=EMAIL, code=wrong) for browser in others * 3))
        assert await hub.scalar("SELECT max(tries) FROM one_time_code WHERE used_at IS NULL") == 0
        stolen = await others[0].run(ENTER, email=EMAIL, code=code)
        assert [error["code"] for error in stolen["signIn"]["errors"]] != []
        assert (await owner.run(ENTER, email=EMAIL, code=code))["signIn"]["errors"] == []


async def test_an_operator_of_one_government_is_nobody_special_in_another(hub: Hub) -> None:
    await make_tenant(hub.database, code="hr")
    foreign = await make_agency(hub.database, hub.means, tenant="hr", email="owner@haryana.gov.in")
    theirs = await make_system(hub.database, hub.means, tenant="hr", agency=foreign)
    operator = await hub.add_operator("op@punjab.gov.in")
    tries: dict[str, Any] = {
        f'mutation {{ a: approveAgency(input: {{id: "agy_{foreign.id}"}}) {{ errors {{ code }} }} }}': "NOT_FOUND",
        f'mutation {{ a: suspendAgency(input: {{id: "agy_{foreign.id}"}}) {{ errors {{ code }} }} }}': "NOT_FOUND",
        f'mutation {{ a: suspendSystem(input: {{id: "{theirs.public_id}"}}) {{ errors {{ code }} }} }}': "NOT_FOUND",
        'mutation { a: addOperator(input: {government: "hr", email: "op@punjab.gov.in"}) { errors { code } } }': (
            "ROLE_NOT_ALLOWED"
        ),
        'mutation { a: updateTenant(input: {code: "hr", version: 1, status: SUSPENDED}) { errors { code } } }': (
            "ROLE_NOT_ALLOWED"
        ),
        'mutation { a: createTenant(input: {code: "hr.x", slug: "x1", name: "X", parent: "hr"}) { errors { code } } }': (
            "ROLE_NOT_ALLOWED"
        ),
    }
    for document, code in tries.items():
        assert [e["code"] for e in (await operator.run(document))["a"]["errors"]] == [code]
    assert await hub.scalar("SELECT count(*) FROM tenant WHERE status <> 'ACTIVE'") == 0


async def test_a_suspended_agencys_key_stops_within_five_seconds_in_every_process(settings: Settings) -> None:
    async with running(settings) as hub:
        home = await make_agency(hub.database, hub.means)
        system = await make_system(hub.database, hub.means, agency=home)
        client = hub.client.acting(system.api_key)
        now = datetime.now(UTC)
        with time_machine.travel(now, tick=False) as clock:
            assert await client.codes("{ me { kind } }") == []
            # As another process does it: nothing in this one is told to forget.
            await _execute(hub, f"UPDATE agency SET state = 'SUSPENDED' WHERE id = '{home.id}'")
            for _ in range(4):
                clock.shift(1)
                last = await client.codes("{ me { kind } }")
        assert last == ["SYSTEM_NOT_ACTIVE"]


async def _execute(hub: Hub, statement: str) -> None:
    async with hub.database.engine.begin() as connection:
        await connection.exec_driver_sql(statement)


async def test_a_proof_of_possession_serves_once_for_its_system_and_key_alone(hub: Hub) -> None:
    one = await make_system(hub.database, hub.means)
    two = await make_system(hub.database, hub.means)
    key = SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    first, second = hub.client.acting(one.api_key), hub.client.acting(two.api_key)
    challenge = (await first.run(CHALLENGE, input={"publicKey": public}))["requestKeyChallenge"]["challenge"]
    seal = key.sign(base64.b64decode(challenge["bytesToSign"])).signature
    answer = {
        "publicKey": public,
        "challenge": challenge["challenge"],
        "signature": base64.b64encode(seal).decode(),
    }
    stolen = await second.run(ADD_KEY, input=answer)
    assert [error["code"] for error in stolen["addSigningKey"]["errors"]] == ["KEY_POSSESSION"]
    made = await asyncio.gather(*(first.run(ADD_KEY, input=answer) for _ in range(6)))
    assert sum(each["addSigningKey"]["errors"] == [] for each in made) == 1
    assert (
        await hub.scalar(
            "SELECT count(*) FROM signing_key WHERE public_key = :raw", raw=bytes(key.verify_key)
        )
        == 1
    )


async def test_a_signature_in_a_posting_is_no_proof_of_possession(hub: Hub) -> None:
    system = await make_system(hub.database, hub.means)
    key = SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    client = hub.client.acting(system.api_key)
    challenge = (await client.run(CHALLENGE, input={"publicKey": public}))["requestKeyChallenge"]["challenge"]
    framed = base64.b64decode(challenge["bytesToSign"])
    domain, _, members = framed.partition(b"\n")
    for other in (members, b"FXH-BODY-SIGNATURE-V1\n" + members, framed.upper(), domain, framed + b"\n"):
        seal = base64.b64encode(key.sign(other).signature).decode()
        answer = {"publicKey": public, "challenge": challenge["challenge"], "signature": seal}
        refused = await client.run(ADD_KEY, input=answer)
        assert [error["code"] for error in refused["addSigningKey"]["errors"]] == ["KEY_POSSESSION"]


async def test_registering_an_agency_in_a_strangers_name_gives_nothing(hub: Hub) -> None:
    """A code sent for an unconfirmed agency opens it for whoever owns the address, in the browser that asked."""
    owner, home = await hub.owner()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=True):
        attacker = hub.browser()
        document = "mutation ($input: RegisterAgencyInput!) { registerAgency(input: $input) { agency { id } errors { code } } }"
        made = await attacker.run(document, input=agency_input(name="Fake Finance", email=EMAIL))
        assert made["registerAgency"]["errors"] == []
        code = await hub.post.code()
        refused = await hub.browser().run(ENTER, email=EMAIL, code=code)
        assert [error["code"] for error in refused["signIn"]["errors"]] == ["OTP_SESSION"]
        assert (await owner.run(ME))["me"]["agency"]["id"] == f"agy_{home.id}"
    test = {"agencyId": made["registerAgency"]["agency"]["id"], "name": "Evil", "roles": ["CONSUMER"]}
    for browser in (attacker, owner):
        answer = (await browser.send(REGISTER, input={**test, "environment": Environment.TEST.value})).json()
        assert "secret" not in str(answer.get("data")) or answer["data"]["registerSystem"]["secret"] is None
    assert await hub.count("system") == 0
    assert HUB.reason == "tests"
