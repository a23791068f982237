"""People see where they are signed in, and end it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from hub.db import utc_now
from hub.settings import Settings
from tests.api.registry_hub import EMAIL, Hub, running
from tests.client import Client
from tests.factories.registry import make_agency, make_system, sign_in

pytestmark = pytest.mark.anyio

SESSIONS = "{ me { sessions { id agencyId createdAt lastSeenAt expiresAt network agent isCurrent } } }"
END = "mutation ($id: ID!) { endSession(input: {id: $id}) { ended errors { code path } } }"
END_OTHERS = "mutation { endOtherSessions { ended errors { code path } } }"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


async def listed(client: Client) -> list[dict[str, Any]]:
    """The sessions somebody sees."""
    found: list[dict[str, Any]] = (await client.run(SESSIONS))["me"]["sessions"]
    return found


async def another(hub: Hub, email: str = EMAIL) -> Client:
    """The same person in a second browser, a minute later."""
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        return await sign_in(hub.client, hub.post, email)


async def test_a_person_sees_every_browser_that_is_signed_in(hub: Hub) -> None:
    first, agency = await hub.owner()
    second = await another(hub)
    newest, oldest = await listed(first)
    assert (newest["isCurrent"], oldest["isCurrent"]) == (False, True)
    assert [each["isCurrent"] for each in await listed(second)] == [True, False]
    assert oldest["agencyId"] == f"agy_{agency.id}"
    assert oldest["network"] == "127.0.0.0/24"
    assert oldest["agent"] == "python-httpx"
    assert await hub.count("session") == 2


async def test_an_ended_session_opens_nothing_and_the_end_is_on_record(hub: Hub) -> None:
    first, _ = await hub.owner()
    second = await another(hub)
    (other,) = [each["id"] for each in await listed(first) if not each["isCurrent"]]
    assert (await first.run(END, id=other))["endSession"] == {"ended": 1, "errors": []}
    assert await second.codes(SESSIONS) == ["UNAUTHENTICATED"]
    assert len(await listed(first)) == 1
    count = "SELECT count(*) FROM registry_event WHERE subject = 'SESSION' AND change = 'ENDED'"
    assert await hub.scalar(count) == 1
    # Ended again, it is not there any more.
    again = (await first.run(END, id=other))["endSession"]
    assert again == {"ended": 0, "errors": [{"code": "NOT_FOUND", "path": ["input", "id"]}]}
    assert await hub.scalar(count) == 1


async def test_all_others_are_ended_at_once(hub: Hub) -> None:
    first, _ = await hub.owner()
    second = await another(hub)
    assert (await second.run(END_OTHERS))["endOtherSessions"] == {"ended": 1, "errors": []}
    assert await first.codes(SESSIONS) == ["UNAUTHENTICATED"]
    assert [each["isCurrent"] for each in await listed(second)] == [True]
    assert (await second.run(END_OTHERS))["endOtherSessions"]["ended"] == 0


async def test_nobody_ends_or_sees_the_sessions_of_others(hub: Hub) -> None:
    first, _ = await hub.owner()
    await make_agency(hub.database, hub.means, email="meera@punjab.gov.in")
    other = await sign_in(hub.client, hub.post, "meera@punjab.gov.in")
    (own,) = await listed(first)
    assert own["id"] not in [each["id"] for each in await listed(other)]
    refused = (await other.run(END, id=own["id"]))["endSession"]["errors"]
    assert refused == [{"code": "NOT_FOUND", "path": ["input", "id"]}]
    assert (await other.run(END_OTHERS))["endOtherSessions"]["ended"] == 0
    assert len(await listed(first)) == 1


async def test_an_operator_ends_own_sessions_too(hub: Hub) -> None:
    operator = await hub.add_operator("operator@punjab.gov.in")
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        await sign_in(hub.client, hub.post, "operator@punjab.gov.in")
    assert (await operator.run(END_OTHERS))["endOtherSessions"]["ended"] == 1
    count = "SELECT count(*) FROM registry_event WHERE subject = 'SESSION' AND change = 'ENDED'"
    assert await hub.scalar(count) == 1


async def test_what_ran_out_by_itself_is_not_listed(hub: Hub) -> None:
    await hub.owner()
    with time_machine.travel(utc_now() + timedelta(hours=13)):
        later = await sign_in(hub.client, hub.post, EMAIL)
        assert [each["isCurrent"] for each in await listed(later)] == [True]


async def test_systems_and_nobody_have_no_sessions(hub: Hub) -> None:
    system = hub.client.acting((await make_system(hub.database, hub.means)).api_key)
    assert await listed(system) == []
    refused = (await system.run(END_OTHERS))["endOtherSessions"]["errors"]
    assert [each["code"] for each in refused] == ["ROLE_NOT_ALLOWED"]
    assert await hub.browser().codes(END_OTHERS) == ["UNAUTHENTICATED"]
