"""Default deny, tried by everybody on everything: what is another agency's is as if it were not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from hub.kit.ids import new_id
from hub.settings import Settings
from tests.api.registry_hub import Hub, running
from tests.client import Client
from tests.factories.registry import TestSystem, make_system, make_tenant

pytestmark = pytest.mark.anyio

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
# Every mutation that names a thing of the registry, by the prefix of the id it takes.
MUTATIONS = {
    "agy": [
        "approveAgency(input: {id: $id})",
        "suspendAgency(input: {id: $id})",
        "resumeAgency(input: {id: $id})",
        "closeAgency(input: {id: $id})",
        'registerSystem(input: {agencyId: $id, name: "Intruder", roles: [CONSUMER]})',
    ],
    "per": [
        "changePersonRoles(input: {personId: $id, roles: [READER]})",
        "removePerson(input: {personId: $id})",
    ],
    "sys": [
        "suspendSystem(input: {id: $id})",
        "resumeSystem(input: {id: $id})",
        "closeSystem(input: {id: $id})",
        "regenerateApiKey(input: {systemId: $id})",
        "prepareApiKey(input: {systemId: $id})",
        "requestKeyChallenge(input: {systemId: $id, publicKey: $key})",
        'addSigningKey(input: {systemId: $id, publicKey: $key, challenge: "c", signature: $key})',
    ],
    "key": ["activateApiKey(input: {id: $id})", "revokeApiKey(input: {id: $id})"],
    "sgk": [
        "activateSigningKey(input: {id: $id})",
        "retireSigningKey(input: {id: $id})",
        "compromiseSigningKey(input: {id: $id})",
    ],
}
KEY = "A" * 43 + "="
TABLES = (
    "agency",
    "membership",
    "system",
    "api_key",
    "signing_key",
    "registry_event",
    "signing_key_challenge",
)


@dataclass
class Scene:
    """Agency A with all it owns, and everybody who is not of it."""

    hub: Hub
    ids: dict[str, str]
    owner: Client
    intruders: dict[str, Client]


@pytest.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with running(settings) as hub:
        owner, agency = await hub.owner()
        system = await make_system(hub.database, hub.means, agency=agency)
        person = (await owner.run("{ me { person { id } } }"))["me"]["person"]["id"]
        keys = await owner.run(
            "query ($id: ID!) { apiKeys(systemId: $id) { edges { node { id } } } }", id=system.public_id
        )
        ids = {
            "agy": f"agy_{agency.id}",
            "per": person,
            "sys": system.public_id,
            "key": keys["apiKeys"]["edges"][0]["node"]["id"],
            "sgk": system.signing_key_public_id,
        }
        await make_tenant(hub.database, code="hr")
        yield Scene(hub, ids, owner, await intruders(hub))


async def intruders(hub: Hub) -> dict[str, Client]:
    """An owner and a system of agency B, an operator of another government, a system there, and nobody."""
    other, _ = await hub.owner("ravi@health.punjab.gov.in", name="Agency B")
    same: TestSystem = await make_system(hub.database, hub.means)
    foreign: TestSystem = await make_system(hub.database, hub.means, tenant="hr")
    return {
        "owner of another agency": other,
        "system of another agency": hub.client.acting(same.api_key),
        "operator of another government": await hub.add_operator("op@haryana.gov.in", "hr"),
        "system of another government": hub.client.acting(foreign.api_key),
        "anonymous": hub.browser(),
    }


async def contents(hub: Hub) -> list[Any]:
    """Everything the registry holds that an intruder could change."""
    return [
        await hub.scalar(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {t} t") for t in TABLES
    ]


async def test_the_owner_sees_all_of_it(scene: Scene) -> None:
    for prefix, found in scene.ids.items():
        assert (await scene.owner.run(NODE, id=found))["node"]["id"] == found, prefix


async def test_no_intruder_sees_a_node_that_is_not_public(scene: Scene) -> None:
    for who, client in scene.intruders.items():
        for prefix, found in scene.ids.items():
            if prefix == "sgk":
                continue
            absent = await client.send(NODE, id=f"{prefix}_{new_id()}")
            answer = await client.send(NODE, id=found)
            assert answer.json()["data"] == {"node": None}, (who, prefix)
            assert answer.json()["data"] == absent.json()["data"], (who, prefix)


async def test_a_public_signing_key_is_no_secret_but_not_for_nobody(scene: Scene) -> None:
    for who, client in scene.intruders.items():
        found = (await client.send(NODE, id=scene.ids["sgk"])).json()
        assert ((found.get("data") or {}).get("node") is None) == (who == "anonymous"), who


async def test_no_intruder_changes_anything_and_what_is_there_answers_as_what_is_not(scene: Scene) -> None:
    before = await contents(scene.hub)
    for who, client in scene.intruders.items():
        for prefix, mutations in MUTATIONS.items():
            for mutation in mutations:
                uses_key = "$key" in mutation
                document = (
                    f"mutation ($id: ID!{', $key: Bytes!' if uses_key else ''}) "
                    f"{{ {mutation} {{ errors {{ code path message }} }} }}"
                )
                extra = {"key": KEY} if uses_key else {}
                there = (await client.send(document, id=scene.ids[prefix], **extra)).json()
                not_there = (await client.send(document, id=f"{prefix}_{new_id()}", **extra)).json()
                assert told(there) == told(not_there), (who, mutation)
                assert codes(there) <= {"NOT_FOUND", "ROLE_NOT_ALLOWED", "UNAUTHENTICATED"}, (who, mutation)
                assert codes(there), (who, mutation)
    assert await contents(scene.hub) == before


def told(answer: dict[str, Any]) -> Any:
    """What an answer tells, without the trace of the request."""
    return [
        (error["message"], error["extensions"]["code"]) for error in answer.get("errors", [])
    ], answer.get("data")


def codes(answer: dict[str, Any]) -> set[str]:
    """All codes of an answer, the payload's and the request's."""
    top = {error["extensions"]["code"] for error in answer.get("errors", [])}
    payloads = [value for value in (answer.get("data") or {}).values() if value]
    return top | {error["code"] for payload in payloads for error in payload["errors"]}


LISTS = {
    "me": "{ me { agency { id } person { email } system { uniqueId } } }",
    "agency": "{ agency { id name contact { phone email } } }",
    "agencies": "{ agencies { edges { node { id name contact { phone email } } } } }",
    "people": "{ people { edges { node { id email } } } }",
    "operators": '{ operators(government: "pb") { edges { node { email } } } }',
    "systems": "{ systems { edges { node { id uniqueId } } } }",
    "directory": "{ directory { edges { node { uniqueId name roles } } } }",
    "tenants": "{ tenants { edges { node { code } } } }",
}


async def test_no_list_of_an_intruder_holds_anything_of_agency_a(scene: Scene) -> None:
    secrets = [*scene.ids.values(), "asha@finance.punjab.gov.in", "Agency A"]
    for who, client in scene.intruders.items():
        for name, document in LISTS.items():
            answer = (await client.send(document)).text
            assert not [secret for secret in secrets if secret in answer], (who, name)


async def test_another_agencys_api_keys_are_not_found(scene: Scene) -> None:
    document = "query ($id: ID!) { apiKeys(systemId: $id) { edges { node { id } } } }"
    for who, client in scene.intruders.items():
        expected = "UNAUTHENTICATED" if who == "anonymous" else "NOT_FOUND"
        assert await client.codes(document, id=scene.ids["sys"]) == [expected], who


async def test_an_operator_sees_agencies_and_systems_but_neither_people_nor_keys(scene: Scene) -> None:
    operator = await scene.hub.add_operator("op@punjab.gov.in")
    assert (await operator.run(NODE, id=scene.ids["agy"]))["node"] is not None
    assert (await operator.run(NODE, id=scene.ids["sys"]))["node"] is not None
    assert (await operator.run(NODE, id=scene.ids["key"]))["node"] is None
    assert (await operator.run(NODE, id=scene.ids["per"]))["node"] is None
    regenerate = "mutation ($id: ID!) { regenerateApiKey(input: {systemId: $id}) { secret errors { code } } }"
    answer = (await operator.run(regenerate, id=scene.ids["sys"]))["regenerateApiKey"]
    assert answer == {"secret": None, "errors": [{"code": "NOT_FOUND"}]}
