"""Callers as parameters: the policy's SQL is written once for each kind of caller, its values are given at each run.

``access.visible`` and everything built on it take a stand-in whose ids are named parameters. What decides the shape
of the predicate (whether a system consumes, whether a person has an agency, how many governments are operated) is
the stand-in's ``shape``; what it only compares with is in ``values``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import BindParameter, Text, bindparam
from sqlalchemy.dialects.postgresql import UUID

from hub.domain.registry import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller, SystemRole

# Of one person; nobody keeps the registries of more governments in one hub.
OPERATED_MAX = 8


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A kind of caller: what its SQL depends on, and who stands in for it; there is one object of each kind."""

    shape: Hashable
    caller: Caller


def reader_of(caller: Caller) -> Reader | None:
    """The kind of a caller; None for nobody, and for who has no kind of its own."""
    match caller:
        case SystemCaller():
            return _system(is_consumer=SystemRole.CONSUMER in caller.roles)
        case PersonCaller():
            count = len(caller.operator_of)
            return _person(_has_agency(caller), count) if count <= OPERATED_MAX else None
        case HubCaller():
            return _HUB
        case Anonymous():
            return None


def values_of(caller: Caller) -> dict[str, Any]:
    """The parameters of a caller's own kind."""
    match caller:
        case SystemCaller():
            return {
                "reader_system": caller.system_id,
                "reader_tenant": caller.tenant_id,
                "reader_environment": caller.environment.value,
            }
        case PersonCaller():
            values: dict[str, Any] = {f"reader_operated_{i}": id_ for i, id_ in enumerate(caller.operator_of)}
            return {**values, "reader_agency": caller.agency_id, "reader_tenant": caller.tenant_id}
        case _:
            return {}


def _has_agency(caller: PersonCaller) -> bool:
    return caller.agency_id is not None and caller.tenant_id is not None and bool(caller.roles)


def _id(name: str) -> BindParameter[Any]:
    return bindparam(f"reader_{name}", type_=UUID)


@lru_cache(maxsize=2)
def _system(*, is_consumer: bool) -> Reader:
    stand_in: Any = SystemCaller(
        system_id=_id("system"),  # type: ignore[arg-type]
        unique_id="",
        agency_id=_id("agency"),  # type: ignore[arg-type]
        tenant_id=_id("tenant"),  # type: ignore[arg-type]
        environment=SimpleNamespace(value=bindparam("reader_environment", type_=Text)),  # type: ignore[arg-type]
        roles=frozenset({SystemRole.CONSUMER} if is_consumer else ()),
        key_id=_id("key"),  # type: ignore[arg-type]
    )
    return Reader(("system", is_consumer), stand_in)


@lru_cache(maxsize=2 * (OPERATED_MAX + 1))
def _person(has_agency: bool, operated: int) -> Reader:
    stand_in: Any = PersonCaller(
        person_id=_id("person"),  # type: ignore[arg-type]
        session_id=_id("session"),  # type: ignore[arg-type]
        agency_id=_id("agency") if has_agency else None,  # type: ignore[arg-type]
        tenant_id=_id("tenant") if has_agency else None,  # type: ignore[arg-type]
        roles=frozenset({"READER"} if has_agency else ()),  # type: ignore[arg-type]
        operator_of=frozenset(_id(f"operated_{i}") for i in range(operated)),  # type: ignore[misc]
    )
    return Reader(("person", has_agency, operated), stand_in)


_HUB = Reader("hub", HubCaller("reads"))
# The commonest kind, to compile with before anybody asks.
TRIAL = _system(is_consumer=True)
