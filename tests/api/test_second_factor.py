"""A second factor: enrolled with an app, asked for by weighty steps, never guessed, never replayed, recoverable."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from hub.domain.registry.secondfactor import lock_after
from hub.kit import totp
from hub.settings import Settings
from tests.api.registry_hub import EMAIL, Hub, running
from tests.client import Client
from tests.factories.registry import make_agency, make_system, sign_in

pytestmark = pytest.mark.anyio

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
STATE = "{ me { secondFactor { isRequired enrolledAt lockedUntil recoveryCodesLeft freshUntil } } }"
BEGIN = "mutation { beginSecondFactor { secret uri errors { code path } } }"
CONFIRM = "mutation ($code: String!) { confirmSecondFactor(input: {code: $code}) { recoveryCodes errors { code path } } }"
PROVE = "mutation ($code: String!) { proveSecondFactor(input: {code: $code}) { freshUntil errors { code path } } }"
RENEW = "mutation { renewRecoveryCodes { recoveryCodes errors { code path } } }"
REMOVE = "mutation { removeSecondFactor { removed errors { code path } } }"
RESET = "mutation ($email: String!) { resetSecondFactor(input: {email: $email}) { removed errors { code path } } }"
# A weighty step: it invites a colleague.
WEIGHTY = """
mutation ($email: String!) {
  invitePerson(input: {email: $email, name: "Vikram", roles: [READER]}) { errors { code } }
}
"""


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@dataclass
class App:
    """An authenticator app, and who holds it."""

    client: Client
    secret: bytes
    codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or so many half-minutes later."""
        return totp.code_at(self.secret, totp.step_of(datetime.now(UTC)) + steps)

    async def prove(self, code: str) -> list[str]:
        """The codes with which a code is refused; none when it is taken."""
        return codes(await self.client.run(PROVE, code=code))


def codes(answer: dict[str, Any]) -> list[str]:
    """The error codes of an answer's one payload."""
    (payload,) = answer.values()
    return [error["code"] for error in payload["errors"]]


async def enrol(client: Client) -> App:
    """Enrol as a person does: read the QR code, enter the first code."""
    begun = (await client.run(BEGIN))["beginSecondFactor"]
    assert begun["errors"] == []
    values = parse_qs(urlsplit(begun["uri"]).query)
    assert values["secret"] == [begun["secret"]]
    app = App(client, base64.b32decode(begun["secret"]))
    confirmed = (await client.run(CONFIRM, code=app.code()))["confirmSecondFactor"]
    assert confirmed["errors"] == []
    app.codes = confirmed["recoveryCodes"]
    return app


async def weighty(client: Client, email: str = "vikram@finance.punjab.gov.in") -> list[str]:
    """The codes with which a weighty step is refused."""
    return codes(await client.run(WEIGHTY, email=email))


async def state(client: Client) -> dict[str, Any]:
    """How the second factor stands."""
    found: dict[str, Any] = (await client.run(STATE))["me"]["secondFactor"]
    return found


async def test_an_enrolled_factor_is_asked_for_every_ten_minutes(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    assert (await state(owner))["enrolledAt"] is None
    app = await enrol(owner)
    assert len(set(app.codes)) == 10
    assert (await state(owner))["recoveryCodesLeft"] == 10
    assert await weighty(owner) == []
    clock.shift(timedelta(minutes=10, seconds=1))
    # The one-time code by mail is younger than a quarter of an hour: it is not enough any more.
    assert await weighty(owner, "meera@finance.punjab.gov.in") == ["SECOND_FACTOR_REQUIRED"]
    assert (await state(owner))["freshUntil"] is None
    assert await app.prove(app.code()) == []
    assert (await state(owner))["freshUntil"] == "2026-11-24T10:20:01Z"
    assert await weighty(owner, "meera@finance.punjab.gov.in") == []


async def test_another_session_shows_the_factor_by_itself(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    clock.shift(timedelta(minutes=2))
    second = await sign_in(hub.client, hub.post, EMAIL)
    assert await weighty(second) == ["SECOND_FACTOR_REQUIRED"]
    app.client = second
    assert await app.prove(app.code()) == []
    assert await weighty(second) == []


async def test_a_code_counts_once_also_in_another_session(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    assert await app.prove(app.code()) == ["SECOND_FACTOR_INVALID"]  # the one that enrolled it
    clock.shift(timedelta(seconds=90))
    code = app.code()
    assert await app.prove(code) == []
    assert await app.prove(code) == ["SECOND_FACTOR_INVALID"]
    # An older one than the last one used counts no more either.
    assert await app.prove(app.code(-1)) == ["SECOND_FACTOR_INVALID"]
    clock.shift(timedelta(seconds=30))
    app.client = await sign_in(hub.client, hub.post, EMAIL)
    assert await app.prove(code) == ["SECOND_FACTOR_INVALID"]
    assert await app.prove(app.code()) == []


async def test_the_same_code_from_ten_requests_at_once_counts_once(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    clock.shift(timedelta(minutes=1))
    outcomes = await asyncio.gather(*(app.prove(app.code()) for _ in range(5)))
    assert outcomes.count([]) == 1


async def test_five_wrong_codes_lock_it_and_every_five_more_twice_as_long(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    for minutes in (15, 30):
        clock.shift(timedelta(minutes=1))
        for _ in range(5):
            assert await app.prove(app.code(5)) == ["SECOND_FACTOR_INVALID"]
        assert await app.prove(app.code()) == ["SECOND_FACTOR_LOCKED"]
        assert await app.prove(app.codes[0]) == ["SECOND_FACTOR_LOCKED"]
        assert (await state(owner))["lockedUntil"] is not None
        clock.shift(timedelta(minutes=minutes, seconds=-1))
        assert await app.prove(app.code()) == ["SECOND_FACTOR_LOCKED"]
        clock.shift(timedelta(seconds=1))
    assert await app.prove(app.code()) == []
    for _ in range(4):
        assert await app.prove(app.code(5)) == ["SECOND_FACTOR_INVALID"]
    clock.shift(timedelta(minutes=1))
    assert await app.prove(app.code()) == []  # a right one forgives the wrong ones before


async def test_twenty_guesses_at_once_are_five(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    outcomes = await asyncio.gather(*(app.prove(f"{number:06d}") for number in range(12)))
    assert outcomes.count(["SECOND_FACTOR_INVALID"]) == 5
    assert outcomes.count(["SECOND_FACTOR_LOCKED"]) == 7


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(0, None), (4, None), (5, 15), (6, None), (10, 30), (35, 960), (40, 1440), (5000, 1440)],
)
def test_how_long_it_is_locked(failures: int, minutes: int | None) -> None:
    assert lock_after(failures) == (None if minutes is None else timedelta(minutes=minutes))


async def test_a_recovery_code_stands_in_once_and_is_on_record(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    clock.shift(timedelta(minutes=11))
    assert await app.prove(f" {app.codes[3].upper().replace('-', ' ')} ") == []
    assert await weighty(owner) == []
    assert await app.prove(app.codes[3]) == ["SECOND_FACTOR_INVALID"]
    assert (await state(owner))["recoveryCodesLeft"] == 9
    used = "SELECT count(*) FROM registry_event WHERE subject = 'PERSON' AND change = 'RECOVERY_CODE_USED'"
    assert await hub.scalar(used) == 1


async def test_new_recovery_codes_end_the_old_ones(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    made = (await owner.run(RENEW))["renewRecoveryCodes"]["recoveryCodes"]
    assert not set(made) & set(app.codes)
    assert await app.prove(app.codes[0]) == ["SECOND_FACTOR_INVALID"]
    assert await app.prove(made[0]) == []
    clock.shift(timedelta(minutes=11))
    assert codes(await owner.run(RENEW)) == ["SECOND_FACTOR_REQUIRED"]


async def test_removing_asks_for_the_factor_itself(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    clock.shift(timedelta(minutes=11))
    assert codes(await owner.run(REMOVE)) == ["SECOND_FACTOR_REQUIRED"]
    assert codes(await owner.run(BEGIN)) == ["SECOND_FACTOR_STATE"]
    assert await app.prove(app.code()) == []
    assert (await owner.run(REMOVE))["removeSecondFactor"] == {"removed": True, "errors": []}
    assert [await hub.count(table) for table in ("second_factor", "recovery_code")] == [0, 0]
    assert codes(await owner.run(REMOVE)) == ["SECOND_FACTOR_STATE"]
    assert await app.prove(app.codes[0]) == ["SECOND_FACTOR_STATE"]
    # Weighty steps ask for the code by mail again, which is eleven minutes old.
    assert await weighty(owner) == []


async def test_enrolling_asks_for_a_fresh_code_by_mail_and_the_apps_first_code(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    assert codes(await owner.run(CONFIRM, code="123456")) == ["SECOND_FACTOR_STATE"]
    begun = (await owner.run(BEGIN))["beginSecondFactor"]
    app = App(owner, base64.b32decode(begun["secret"]))
    assert codes(await owner.run(CONFIRM, code=app.code(5))) == ["SECOND_FACTOR_INVALID"]
    assert await app.prove(app.code()) == ["SECOND_FACTOR_STATE"]
    assert (await state(owner))["enrolledAt"] is None
    clock.shift(timedelta(minutes=15, seconds=1))
    assert codes(await owner.run(CONFIRM, code=app.code())) == ["SECOND_FACTOR_STATE"]
    assert codes(await owner.run(BEGIN)) == ["STEP_UP_REQUIRED"]


async def test_the_database_holds_neither_secret_nor_code_in_clear(hub: Hub) -> None:
    owner, _ = await hub.owner()
    app = await enrol(owner)
    rows = [
        bytes(await hub.scalar("SELECT sealed FROM second_factor")),
        *[
            bytes(
                await hub.scalar(
                    "SELECT code_hash FROM recovery_code ORDER BY code_hash OFFSET :n LIMIT 1", n=n
                )
            )
            for n in range(10)
        ],
    ]
    held = b"".join(rows)
    assert app.secret not in held
    assert not any(code.replace("-", "").encode() in held for code in app.codes)


async def test_every_step_is_a_line_of_the_history(hub: Hub, clock: Any) -> None:
    owner, agency = await hub.owner()
    app = await enrol(owner)
    await app.prove(app.codes[0])
    await owner.run(RENEW)
    await owner.run(REMOVE)
    changes = await hub.scalar(
        "SELECT string_agg(change, ' ' ORDER BY id) FROM registry_event "
        "WHERE subject = 'PERSON' AND details->>'agency' = :agency",
        agency=str(agency.id),
    )
    assert changes.split()[-4:] == [
        "SECOND_FACTOR_ADDED",
        "RECOVERY_CODE_USED",
        "RECOVERY_CODES_RENEWED",
        "SECOND_FACTOR_REMOVED",
    ]


async def test_an_owner_resets_a_members_lost_factor_and_nobody_elses(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    member = "vikram@finance.punjab.gov.in"
    assert await weighty(owner, member) == []
    await hub.post.deliver()
    colleague = await sign_in(hub.client, hub.post, member)
    await enrol(colleague)
    await make_agency(hub.database, hub.means, email="stranger@punjab.gov.in")
    stranger = await sign_in(hub.client, hub.post, "stranger@punjab.gov.in")
    for client, email in ((stranger, member), (colleague, EMAIL), (owner, "nobody@punjab.gov.in")):
        assert codes(await client.run(RESET, email=email)) == ["NOT_FOUND"]
    assert codes(await owner.run(RESET, email=EMAIL)) == ["ROLE_NOT_ALLOWED"]
    assert (await owner.run(RESET, email=member))["resetSecondFactor"] == {"removed": True, "errors": []}
    assert await colleague.codes(STATE) == ["UNAUTHENTICATED"]
    assert codes(await owner.run(RESET, email=member)) == ["NOT_FOUND"]


async def test_an_operator_resets_a_lost_factor_within_the_government(hub: Hub, clock: Any) -> None:
    owner, _ = await hub.owner()
    await enrol(owner)
    operator = await hub.add_operator("operator@punjab.gov.in")
    assert (await operator.run(RESET, email=EMAIL))["resetSecondFactor"]["removed"]
    clock.shift(timedelta(minutes=16))
    assert codes(await operator.run(RESET, email=EMAIL)) == ["STEP_UP_REQUIRED"]


@pytest.mark.parametrize(
    ("policy", "owner_is_asked", "operator_is_asked"),
    [("offered", False, False), ("operators", False, True), ("required", True, True)],
)
async def test_whom_the_installation_demands_it_from(
    settings: Settings, policy: str, owner_is_asked: bool, operator_is_asked: bool
) -> None:
    async with running(settings.model_copy(update={"second_factor": policy})) as hub:
        owner, agency = await hub.owner()
        operator = await hub.add_operator("operator@punjab.gov.in")
        approve = "mutation ($id: ID!) { approveAgency(input: {id: $id}) { errors { code } } }"

        async def step(client: Client) -> list[str]:
            if client is owner:
                return await weighty(owner)
            return codes(await operator.run(approve, id=f"agy_{agency.id}"))

        for client, is_asked in ((owner, owner_is_asked), (operator, operator_is_asked)):
            assert (await state(client))["isRequired"] is is_asked
            if is_asked:
                assert await step(client) == ["SECOND_FACTOR_MISSING"]
                await enrol(client)
            assert await step(client) == []


async def test_keys_and_webhooks_are_not_touched_without_the_factor(hub: Hub, clock: Any) -> None:
    owner, agency = await hub.owner()
    system = await make_system(hub.database, hub.means, agency=agency)
    await enrol(owner)
    clock.shift(timedelta(minutes=11))
    regenerate = "mutation ($id: ID!) { regenerateApiKey(input: {systemId: $id}) { errors { code } } }"
    assert codes(await owner.run(regenerate, id=system.public_id)) == ["SECOND_FACTOR_REQUIRED"]
    hook = """
    mutation ($id: ID!) {
      registerWebhook(input: {systemId: $id, url: "https://hooks.example/x"}) { errors { code } }
    }
    """
    assert codes(await owner.run(hook, id=system.public_id)) == ["SECOND_FACTOR_REQUIRED"]
    assert await hub.client.acting(system.api_key).run("{ me { kind } }") == {"me": {"kind": "SYSTEM"}}


def test_production_demands_it_from_operators_unless_told_otherwise() -> None:
    assert Settings(mode="development").second_factor_policy() == "offered"
    assert Settings(mode="production").second_factor_policy() == "operators"
    assert Settings(mode="production", second_factor="offered").second_factor_policy() == "offered"
