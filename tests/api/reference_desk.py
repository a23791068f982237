"""A desk for the reference tests: documents in, JSON out, as an operator, a system or anybody."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text

from hub.api import Api, build_schema
from hub.calls import Call
from hub.db import Database
from hub.domain.registry import (
    Anonymous,
    Caller,
    Environment,
    HubCaller,
    PersonCaller,
    SystemCaller,
    SystemRole,
)
from hub.means import Means
from hub.signing import HubKey
from tests.factories.registry import make_tenant

MEANS = Means(domain="ifix.org", signing_key=HubKey.from_seed(b"s" * 32), master_key=b"m" * 32)
SCHEMA = build_schema()
MUTATIONS = {
    "location": ("saveLocation", "SaveLocationInput"),
    "department": ("saveDepartment", "SaveDepartmentInput"),
    "hierarchyLevel": ("saveHierarchyLevel", "SaveHierarchyLevelInput"),
    "administrativeNode": ("saveAdministrativeNode", "SaveAdministrativeNodeInput"),
    "chartOfAccount": ("saveChartOfAccount", "SaveChartOfAccountInput"),
    "program": ("saveProgram", "SaveProgramInput"),
    "project": ("saveProject", "SaveProjectInput"),
}
SHOWN = "id code name names status version validFrom validTo path depth parentCode attributes"
MORE = {
    "hierarchyLevel": "level label departmentCode",
    "administrativeNode": "level departmentCode",
    "chartOfAccount": "profile side majorHeadType majorHead groupHead",
    "program": "type department { code }",
    "project": "lifecycle locations { code } programs { code } administrativeNodes { code }",
}


def operator(*tenants: uuid.UUID) -> PersonCaller:
    """A person who keeps these governments' registries."""
    return PersonCaller(uuid.uuid4(), uuid.uuid4(), None, None, frozenset(), frozenset(tenants))


def system(tenant_id: uuid.UUID) -> SystemCaller:
    """A consumer system of a government."""
    role = frozenset({SystemRole.CONSUMER})
    return SystemCaller(
        uuid.uuid4(),
        "dashboard@punjab.ifix.org",
        uuid.uuid4(),
        tenant_id,
        Environment.LIVE,
        role,
        uuid.uuid4(),
    )


def tenant_of(desk: Desk) -> uuid.UUID:
    """The government whose registries the desk's operator keeps."""
    assert isinstance(desk.caller, PersonCaller)
    return next(iter(desk.caller.operator_of))


@dataclass(frozen=True)
class Desk:
    """One caller at one hub."""

    database: Database
    caller: Caller

    def acting(self, caller: Caller) -> Desk:
        """The same hub, another caller."""
        return replace(self, caller=caller)

    async def send(self, document: str, **variables: Any) -> dict[str, Any]:
        """The whole answer."""

        async def authenticate(*_: Any, **__: Any) -> Caller:
            return self.caller

        api = Api(SCHEMA, self.database, MEANS, authenticate=authenticate)
        answer = await api.answer(Call(document, variables, None, "trace", session="desk"))
        body: dict[str, Any] = json.loads(answer.body)
        return body

    async def run(self, document: str, **variables: Any) -> Any:
        """``data`` of an answer without errors."""
        body = await self.send(document, **variables)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def refused(self, document: str, **variables: Any) -> list[tuple[str, str]]:
        """Code and path of every problem of a refused query."""
        body = await self.send(document, **variables)
        found = [problem for error in body["errors"] for problem in error["extensions"].get("problems", [])]
        return [(problem["code"], ".".join(problem["path"])) for problem in found]

    async def save(self, kind: str, **fields: Any) -> Any:
        """Save an entry that must be accepted."""
        payload = await self.try_save(kind, **fields)
        assert payload["errors"] == [], payload["errors"]
        return payload[kind]

    async def try_save(self, kind: str, **fields: Any) -> Any:
        """Save an entry; the payload as it is."""
        mutation, shape = MUTATIONS[kind]
        document = (
            f"mutation($input: {shape}!) {{ {mutation}(input: $input) {{ errors {{ code path message }} "
            f"proposal {{ id }} {kind} {{ {SHOWN} {MORE.get(kind, '')} }} }} }}"
        )
        return (await self.run(document, input=fields))[mutation]

    async def codes(self, kind: str, **fields: Any) -> list[tuple[str, str]]:
        """Code and path of what is wrong with a save; a refusal writes nothing at all."""
        before = await self.counts()
        payload = await self.try_save(kind, **fields)
        assert payload[kind] is None
        assert await self.counts() == before
        return [
            (problem["code"], ".".join(problem["path"]).removeprefix("input."))
            for problem in payload["errors"]
        ]

    async def find(self, field: str, filter_: Any, select: str = "code", **at: Any) -> list[Any]:
        """The nodes of a list."""
        shape = field[0].upper() + field[1:-1]
        document = (
            f"query($filter: {shape}Filter, $at: ReferenceMoment) {{ {field}(filter: $filter, at: $at, first: 100) "
            f"{{ edges {{ node {{ {select} }} }} }} }}"
        )
        found = (await self.run(document, filter=filter_, at=at))[field]["edges"]
        return [edge["node"] for edge in found]

    async def find_codes(self, field: str, filter_: Any, **at: Any) -> list[str]:
        """The codes of a list."""
        return [node["code"] for node in await self.find(field, filter_, **at)]

    async def counts(self) -> tuple[int, ...]:
        """How many rows there are, by table."""
        tables = ("entry", "version", "slice", "link", "proposal", "decision", "policy")
        counted = ", ".join(f"(SELECT count(*) FROM reference_{table})" for table in tables)
        async with self.database.read() as read:
            return tuple((await read.rows(text(f"SELECT {counted}"))).one())


async def open_desk(database: Database, code: str = "pb") -> Desk:
    """A desk of an operator of one government, which is made when it is not there."""
    tenant = await make_tenant(database, code=code)
    return Desk(database, operator(tenant.id))


__all__ = ["MEANS", "Anonymous", "Desk", "HubCaller", "open_desk", "operator", "system", "tenant_of"]
