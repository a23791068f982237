"""Programs and their money for tests, made from outside: a program, sanctions, allocations, and what stands where."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hub.settings import Settings
from tests.client import Client
from tests.factories.registry import TestSystem

_numbers = count(1)
PROBLEMS = "errors { code path message }"
BALANCES = "gross allocated unallocated available reserved retryHold spent"
PROGRAM = "id code name description parentId locationCode startDate endDate status version currency"
SANCTION = f"id referenceId netAmount grossAmount currency status version programId balances {{ {BALANCES} }}"
CREATE_PROGRAM = f"""
mutation ($input: CreateProgramInput!) {{ createProgram(input: $input) {{ {PROBLEMS} program {{ {PROGRAM} }} }} }}"""
UPDATE_PROGRAM = f"""
mutation ($input: UpdateProgramInput!) {{ updateProgram(input: $input) {{ {PROBLEMS} program {{ {PROGRAM} }} }} }}"""
RECORD_SANCTIONS = f"""
mutation ($input: RecordSanctionsInput!) {{
  recordSanctions(input: $input) {{ {PROBLEMS} sanctions {{ {SANCTION} }} }}
}}"""
UPDATE_SANCTION = f"""
mutation ($input: UpdateSanctionInput!) {{ updateSanction(input: $input) {{ {PROBLEMS} sanction {{ {SANCTION} }} }} }}"""
INCREASE = f"""
mutation ($input: IncreaseSanctionInput!) {{
  increaseSanction(input: $input) {{ {PROBLEMS} sanction {{ {SANCTION} }} }}
}}"""
ALLOCATE = f"""
mutation ($input: RecordAllocationsInput!) {{
  recordAllocations(input: $input) {{
    {PROBLEMS} allocations {{ id type amount referenceId }} sanctions {{ id balances {{ {BALANCES} }} }}
  }}
}}"""
FIND = f"""
query ($id: ID!) {{
  sanction(id: $id) {{
    {SANCTION} program {{ {PROGRAM} }}
    ledger {{ edges {{ node {{ number movement from to amount cause at after {{ {BALANCES} }} }} }} }}
    allocations {{ edges {{ node {{ id type amount referenceId }} }} }}
  }}
}}"""


def key(prefix: str = "key") -> str:
    """An idempotency key or reference nobody has used."""
    return f"{prefix}-{next(_numbers)}"


def program_input(**over: Any) -> dict[str, Any]:
    """A complete program; a field set to None is left out."""
    given = {
        "idempotencyKey": key(),
        "locationCode": "majher",
        "name": "Water supply works",
        "startDate": "2020-04-01",
        **over,
    }
    return {name: value for name, value in given.items() if value is not None}


@dataclass
class Desk:
    """One system at work on programs."""

    client: Client
    system: TestSystem
    acting: Client = field(init=False)

    def __post_init__(self) -> None:
        self.acting = self.client.acting(self.system.api_key)

    async def create(self, **over: Any) -> dict[str, Any]:
        """The payload of a new program."""
        return await self._run(CREATE_PROGRAM, "createProgram", program_input(**over))

    async def program(self, **over: Any) -> dict[str, Any]:
        """A program that must be accepted."""
        made = await self.create(**over)
        assert made["errors"] == [], made["errors"]
        program: dict[str, Any] = made["program"]
        return program

    async def update(self, program: dict[str, Any], **over: Any) -> dict[str, Any]:
        """The payload of a change."""
        given = {"id": program["id"], "version": program["version"], **over}
        return await self._run(UPDATE_PROGRAM, "updateProgram", given)

    async def sanction(self, program: dict[str, Any], *amounts: str, **over: Any) -> dict[str, Any]:
        """The payload of sanctions of these gross amounts."""
        given = {
            "idempotencyKey": key(),
            "programId": program["id"],
            "sanctions": [{"referenceId": key("S"), "grossAmount": amount} for amount in amounts],
            **over,
        }
        return await self._run(RECORD_SANCTIONS, "recordSanctions", given)

    async def sanctioned(self, program: dict[str, Any], gross: str, allocated: str | None = None) -> str:
        """The id of a sanction that must be accepted, with so much of it available."""
        made = await self.sanction(program, gross)
        assert made["errors"] == [], made["errors"]
        sanction_id: str = made["sanctions"][0]["id"]
        if allocated is not None:
            assert (await self.allocate((sanction_id, "ALLOCATION", allocated)))["errors"] == []
        return sanction_id

    async def allocate(self, *items: tuple[str, str, str], **over: Any) -> dict[str, Any]:
        """The payload of allocations and deductions: sanction, type, amount."""
        listed = [
            {"sanctionId": of, "type": kind, "amount": amount, "referenceId": key("A")}
            for of, kind, amount in items
        ]
        given = {"idempotencyKey": key(), "allocations": listed, **over}
        return await self._run(ALLOCATE, "recordAllocations", given)

    async def increase(self, sanction: str, amount: str, **over: Any) -> dict[str, Any]:
        """The payload of an increase."""
        given = {"idempotencyKey": key(), "sanctionId": sanction, "amount": amount, "referenceId": key("I")}
        return await self._run(INCREASE, "increaseSanction", {**given, **over})

    async def close(self, sanction: str, *, status: str = "INACTIVE") -> dict[str, Any]:
        """The payload of opening or closing a sanction."""
        found = await self.find(sanction)
        given = {"id": sanction, "version": found["version"], "status": status}
        return await self._run(UPDATE_SANCTION, "updateSanction", given)

    async def find(self, sanction: str) -> dict[str, Any]:
        """The sanction with all that belongs to it."""
        found: dict[str, Any] = (await self.acting.run(FIND, id=sanction))["sanction"]
        return found

    async def stands(self, sanction: str) -> tuple[str, str]:
        """Allocated and available, as the spec's cases tell them."""
        balances = (await self.find(sanction))["balances"]
        return balances["allocated"], balances["available"]

    async def _run(self, document: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.acting.run(document, input=given))[name]
        return answer


def codes(payload: dict[str, Any]) -> list[str]:
    """What a payload refuses for."""
    return [problem["code"] for problem in payload["errors"]]


def paths(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """What a payload refuses for, and where."""
    return [(problem["code"], ".".join(problem["path"])) for problem in payload["errors"]]


async def as_owner(settings: Settings, statement: str) -> None:
    """One statement by the tables' owner, whom rights do not stop."""
    assert settings.database_owner_url is not None
    engine = create_async_engine(settings.database_owner_url.get_secret_value())
    try:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()
