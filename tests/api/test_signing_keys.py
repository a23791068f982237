"""Public signing keys: proof of possession, validity, and what is refused."""

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
from hub.settings import Settings
from tests.api.registry_hub import Hub, running
from tests.client import Client
from tests.factories.registry import TestSystem, make_system

pytestmark = pytest.mark.anyio

START = datetime(2026, 10, 13, 10, 0, tzinfo=UTC)
CHALLENGE = """
mutation ($key: Bytes!, $system: ID) {
  requestKeyChallenge(input: {publicKey: $key, systemId: $system}) {
    challenge { challenge keyId bytesToSign expiresAt } errors { code path }
  }
}
"""
ADD = """
mutation ($input: AddSigningKeyInput!) {
  addSigningKey(input: $input) {
    signingKey { id system publicKey fingerprint state validFrom validTo } errors { code path }
  }
}
"""
RETIRE = """
mutation ($id: ID!, $at: Instant) {
  retireSigningKey(input: {id: $id, at: $at}) { signingKey { state validTo } errors { code } }
}
"""
ACTIVATE = (
    "mutation ($id: ID!) { activateSigningKey(input: {id: $id}) { signingKey { state } errors { code } } }"
)
COMPROMISE = """
mutation ($id: ID!, $since: Instant) {
  compromiseSigningKey(input: {id: $id, since: $since}) { signingKey { state compromisedSince } errors { code } }
}
"""
KEYS = """
query ($system: String!) {
  signingKeys(system: $system) { edges { node { id publicKey state validFrom validTo compromisedSince } } }
}
"""
ORDER = 2**255 - 19


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


@pytest.fixture
async def system(hub: Hub) -> TestSystem:
    return await make_system(hub.database, hub.means)


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def text(data: bytes) -> str:
    """Bytes as the API takes them."""
    return base64.b64encode(data).decode()


async def challenge(caller: Client, public: bytes, system: str | None = None) -> dict[str, Any]:
    """The payload of a request for a challenge."""
    answer = await caller.run(CHALLENGE, key=text(public), system=system)
    payload: dict[str, Any] = answer["requestKeyChallenge"]
    return payload


async def add(caller: Client, key: SigningKey, **changes: Any) -> dict[str, Any]:
    """The payload of a registration, with an honest proof unless changed."""
    public = bytes(key.verify_key)
    given = (await challenge(caller, public, changes.get("systemId")))["challenge"]
    signature = key.sign(base64.b64decode(given["bytesToSign"])).signature
    answer = {"publicKey": text(public), "challenge": given["challenge"], "signature": text(signature)}
    payload: dict[str, Any] = (await caller.run(ADD, input={**answer, **changes}))["addSigningKey"]
    return payload


def codes(payload: dict[str, Any]) -> list[str]:
    """The codes of a payload's errors."""
    return [error["code"] for error in payload["errors"]]


async def test_a_system_registers_its_own_key_by_signing_a_challenge(hub: Hub, system: TestSystem) -> None:
    key = SigningKey.generate()
    payload = await add(hub.client.acting(system.api_key), key)
    made = payload["signingKey"]
    assert payload["errors"] == []
    assert (made["system"], made["state"]) == (system.unique_id, "ACTIVE")
    assert base64.b64decode(made["publicKey"]) == bytes(key.verify_key)
    assert made["fingerprint"].startswith("ed25519:")


async def test_the_challenge_is_the_framed_possession_statement(hub: Hub, system: TestSystem) -> None:
    public = bytes(SigningKey.generate().verify_key)
    given = (await challenge(hub.client.acting(system.api_key), public))["challenge"]
    to_sign = base64.b64decode(given["bytesToSign"])
    assert to_sign.startswith(b"FXH-KEY-POSSESSION-V1\n{")
    for part in (given["challenge"], given["keyId"], system.unique_id, text(public)):
        assert part.encode() in to_sign


async def test_an_owner_registers_a_key_for_a_system_of_the_agency(hub: Hub) -> None:
    browser, agency = await hub.owner()
    system = await make_system(hub.database, hub.means, agency=agency)
    payload = await add(browser, SigningKey.generate(), systemId=system.public_id)
    assert payload["errors"] == []


async def test_a_live_systems_key_asks_its_owner_for_a_fresh_code(hub: Hub, clock: Any) -> None:
    browser, agency = await hub.owner()
    system = await make_system(hub.database, hub.means, agency=agency)
    keys = await hub.count("signing_key")
    clock.shift(timedelta(minutes=15, seconds=1))
    payload = await add(browser, SigningKey.generate(), systemId=system.public_id)
    assert [error["code"] for error in payload["errors"]] == ["STEP_UP_REQUIRED"]
    assert await hub.count("signing_key") == keys


async def test_a_foreign_systems_key_cannot_be_registered(hub: Hub, system: TestSystem) -> None:
    other = await make_system(hub.database, hub.means)
    public = bytes(SigningKey.generate().verify_key)
    payload = await challenge(hub.client.acting(other.api_key), public, system.public_id)
    assert codes(payload) == ["NOT_FOUND"]
    assert await hub.count("signing_key") == 2


@pytest.mark.parametrize(
    ("public", "code"),
    [
        pytest.param(bytes(31), "KEY_LENGTH", id="short"),
        pytest.param(bytes(33), "KEY_LENGTH", id="long"),
        pytest.param(bytes(32), "KEY_SMALL_ORDER", id="order-4"),
        pytest.param((1).to_bytes(32, "little"), "KEY_SMALL_ORDER", id="identity"),
        pytest.param((ORDER - 1).to_bytes(32, "little"), "KEY_SMALL_ORDER", id="order-2"),
        pytest.param((ORDER + 1).to_bytes(32, "little"), "KEY_SMALL_ORDER", id="identity-not-canonical"),
        pytest.param((ORDER + 3).to_bytes(32, "little"), "KEY_ENCODING", id="not-canonical"),
        pytest.param((2).to_bytes(32, "little"), "KEY_NOT_ON_CURVE", id="off-curve"),
    ],
)
async def test_unsound_keys_are_refused(hub: Hub, system: TestSystem, public: bytes, code: str) -> None:
    payload = await challenge(hub.client.acting(system.api_key), public)
    assert codes(payload) == [code]
    assert await hub.count("signing_key_challenge") == 1


async def test_a_key_is_registered_once_in_the_whole_hub(hub: Hub, system: TestSystem) -> None:
    other = await make_system(hub.database, hub.means, tenant="hr")
    payload = await challenge(hub.client.acting(other.api_key), bytes(system.signing.verify_key))
    assert codes(payload) == ["KEY_DUPLICATE"]


async def test_of_two_systems_with_one_key_at_once_one_gets_it(hub: Hub, system: TestSystem) -> None:
    other = await make_system(hub.database, hub.means, tenant="hr")
    key = SigningKey.generate()
    public = bytes(key.verify_key)
    answers = []
    for each in (system, other):
        caller = hub.client.acting(each.api_key)
        given = (await challenge(caller, public))["challenge"]
        signature = key.sign(base64.b64decode(given["bytesToSign"])).signature
        body = {"publicKey": text(public), "challenge": given["challenge"], "signature": text(signature)}
        answers.append(caller.run(ADD, input=body))
    done = [codes(answer["addSigningKey"]) for answer in await asyncio.gather(*answers)]
    assert sorted(done) == [[], ["KEY_DUPLICATE"]]


async def test_a_signature_by_another_key_proves_nothing_and_spends_nothing(
    hub: Hub, system: TestSystem
) -> None:
    caller, key = hub.client.acting(system.api_key), SigningKey.generate()
    given = (await challenge(caller, bytes(key.verify_key)))["challenge"]
    to_sign = base64.b64decode(given["bytesToSign"])
    body = {"publicKey": text(bytes(key.verify_key)), "challenge": given["challenge"]}
    forged = {**body, "signature": text(SigningKey.generate().sign(to_sign).signature)}
    assert codes((await caller.run(ADD, input=forged))["addSigningKey"]) == ["KEY_POSSESSION"]
    assert await hub.count("signing_key") == 1
    honest = {**body, "signature": text(key.sign(to_sign).signature)}
    assert codes((await caller.run(ADD, input=honest))["addSigningKey"]) == []


async def test_a_challenge_is_good_once(hub: Hub, system: TestSystem) -> None:
    caller, key = hub.client.acting(system.api_key), SigningKey.generate()
    given = (await challenge(caller, bytes(key.verify_key)))["challenge"]
    signature = key.sign(base64.b64decode(given["bytesToSign"])).signature
    body = {
        "publicKey": text(bytes(key.verify_key)),
        "challenge": given["challenge"],
        "signature": text(signature),
    }
    answers = await asyncio.gather(*(caller.run(ADD, input=body) for _ in range(5)))
    assert sorted(codes(answer["addSigningKey"]) for answer in answers) == [[]] + [["KEY_POSSESSION"]] * 4


async def test_a_challenge_is_good_for_ten_minutes(hub: Hub, clock: Any) -> None:
    system = await make_system(hub.database, hub.means)
    caller, key = hub.client.acting(system.api_key), SigningKey.generate()
    given = (await challenge(caller, bytes(key.verify_key)))["challenge"]
    signature = key.sign(base64.b64decode(given["bytesToSign"])).signature
    clock.shift(timedelta(minutes=10))
    body = {
        "publicKey": text(bytes(key.verify_key)),
        "challenge": given["challenge"],
        "signature": text(signature),
    }
    assert codes((await caller.run(ADD, input=body))["addSigningKey"]) == ["KEY_POSSESSION"]
    assert await hub.count("signing_key") == 1


async def test_another_systems_challenge_does_not_serve(hub: Hub, system: TestSystem) -> None:
    other = await make_system(hub.database, hub.means)
    key = SigningKey.generate()
    given = (await challenge(hub.client.acting(other.api_key), bytes(key.verify_key)))["challenge"]
    body = {
        "publicKey": text(bytes(key.verify_key)),
        "challenge": given["challenge"],
        "signature": text(key.sign(base64.b64decode(given["bytesToSign"])).signature),
    }
    answer = await hub.client.acting(system.api_key).run(ADD, input=body)
    assert codes(answer["addSigningKey"]) == ["KEY_POSSESSION"]
    assert await hub.count("signing_key") == 2


@pytest.mark.usefixtures("clock")
async def test_a_validity_that_ends_before_it_starts_is_refused(hub: Hub) -> None:
    system = await make_system(hub.database, hub.means)
    caller = hub.client.acting(system.api_key)
    for start, end in (
        (START + timedelta(days=2), START + timedelta(days=1)),
        (START - timedelta(days=1), None),
        (None, START),
    ):
        changes = {"validFrom": start and start.isoformat(), "validTo": end and end.isoformat()}
        payload = await add(caller, SigningKey.generate(), **changes)
        assert codes(payload) == ["VALIDITY_ORDER"]
    assert await hub.count("signing_key") == 1


async def test_a_key_goes_from_pending_to_active_to_retiring_to_retired(hub: Hub, clock: Any) -> None:
    system = await make_system(hub.database, hub.means)
    caller = hub.client.acting(system.api_key)
    made = (await add(caller, SigningKey.generate(), activate=False))["signingKey"]
    assert made["state"] == "PENDING"
    assert (await caller.run(ACTIVATE, id=made["id"]))["activateSigningKey"]["signingKey"][
        "state"
    ] == "ACTIVE"
    ends = START + timedelta(days=1)
    retiring = (await caller.run(RETIRE, id=made["id"], at=ends.isoformat()))["retireSigningKey"]
    assert retiring["signingKey"] == {"state": "RETIRING", "validTo": "2026-10-14T10:00:00Z"}
    later = await caller.run(RETIRE, id=made["id"], at=(ends + timedelta(days=1)).isoformat())
    assert codes(later["retireSigningKey"]) == ["VALIDITY_ORDER"]
    clock.shift(timedelta(hours=1))
    retired = (await caller.run(RETIRE, id=made["id"]))["retireSigningKey"]
    assert retired["signingKey"] == {"state": "RETIRED", "validTo": "2026-10-13T11:00:00Z"}
    assert codes((await caller.run(ACTIVATE, id=made["id"]))["activateSigningKey"]) == ["KEY_STATE"]
    changes = await hub.scalar(
        "SELECT array_agg(change ORDER BY id) FROM registry_event WHERE subject_id = CAST(:id AS uuid)",
        id=made["id"].removeprefix("sgk_"),
    )
    assert changes == ["ADDED", "ACTIVE", "RETIRING", "RETIRED"]


async def test_a_compromise_moves_back_only(hub: Hub, clock: Any) -> None:
    system = await make_system(hub.database, hub.means)
    caller = hub.client.acting(system.api_key)
    clock.shift(timedelta(days=10))
    key = system.signing_key_public_id

    async def report(days: int | None) -> Any:
        since = None if days is None else (START + timedelta(days=days)).isoformat()
        return (await caller.run(COMPROMISE, id=key, since=since))["compromiseSigningKey"]

    assert codes(await report(11)) == ["VALIDITY_ORDER"]
    assert (await report(5))["signingKey"] == {
        "state": "COMPROMISED",
        "compromisedSince": "2026-10-18T10:00:00Z",
    }
    assert (await report(7))["signingKey"]["compromisedSince"] == "2026-10-18T10:00:00Z"
    assert (await report(2))["signingKey"]["compromisedSince"] == "2026-10-15T10:00:00Z"
    assert (await report(None))["signingKey"]["compromisedSince"] is None
    assert (await report(3))["signingKey"]["compromisedSince"] is None


async def test_public_keys_are_shown_to_every_known_caller_and_to_nobody_else(
    hub: Hub, system: TestSystem
) -> None:
    other = await make_system(hub.database, hub.means, tenant="hr")
    seen = await hub.client.acting(other.api_key).run(KEYS, system=system.unique_id)
    node = seen["signingKeys"]["edges"][0]["node"]
    assert base64.b64decode(node["publicKey"]) == bytes(system.signing.verify_key)
    assert await hub.client.acting(other.api_key).codes(KEYS, system="no@punjab.ifix.org") == ["NOT_FOUND"]
    assert await hub.browser().codes(KEYS, system=system.unique_id) == ["UNAUTHENTICATED"]


async def test_postings_find_a_key_with_its_window(hub: Hub, system: TestSystem) -> None:
    async with hub.database.read() as read:
        found = await registry.signing_key(read, system.signing_key_id)
        missing = await registry.signing_key(read, system.system_id)
    assert found is not None
    assert found.public_key == bytes(system.signing.verify_key)
    assert (found.system_id, found.key_id) == (system.system_id, system.signing_key_public_id)
    assert found.window.usable_at(datetime.now(UTC)) is None
    assert missing is None
