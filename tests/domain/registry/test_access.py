"""The front door other rooms use: who is let in by which key, and what is required of callers."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from hub.codes import Code
from hub.db import Database, utc_now
from hub.domain import registry
from hub.domain.registry import Anonymous, HubCaller, PersonCaller, SystemCaller, SystemRole
from hub.domain.registry.uses import VERIFIED_MAX, VerifiedKeys
from hub.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated
from hub.kit.ids import new_id
from hub.means import Means
from tests.factories.registry import make_system

pytestmark = pytest.mark.anyio


async def authenticate(database: Database, means: Means, key: str | None) -> registry.Caller:
    """The caller behind a key, as the edge asks for it."""
    async with database.read() as read:
        return await registry.authenticate(
            read,
            means,
            authorization=None if key is None else f"Bearer {key}",
            session=None,
            address="192.0.2.1",
        )


async def test_nobody_without_key_and_cookie(database: Database, means: Means) -> None:
    assert await authenticate(database, means, None) == Anonymous("192.0.2.1")


async def test_a_dead_session_is_nobody(database: Database, means: Means) -> None:
    async with database.read() as read:
        for token in ("nonsense", "A" * 43):
            caller = await registry.authenticate(read, means, authorization=None, session=token, address="")
            assert caller == Anonymous("")


async def test_a_key_names_its_system(database: Database, means: Means) -> None:
    system = await make_system(database, means)
    caller = await authenticate(database, means, system.api_key)
    assert isinstance(caller, SystemCaller)
    assert (caller.system_id, caller.unique_id) == (system.system_id, system.unique_id)
    assert caller.roles == {SystemRole.PROVIDER, SystemRole.CONSUMER}


async def test_a_key_just_verified_is_recalled_without_the_database(database: Database, means: Means) -> None:
    system = await make_system(database, means)
    caller = await authenticate(database, means, system.api_key)
    async with database.read() as read:
        assert registry.recall(means, f"Bearer {system.api_key}", read.now) == caller
    assert registry.recall(means, "Bearer other", read.now) is None


async def test_a_key_sealed_under_another_master_key_is_nobody(database: Database, means: Means) -> None:
    system = await make_system(database, means)
    other = Means(domain="ifix.org", signing_key=means.signing_key, master_key=bytes(32))
    with pytest.raises(NotAuthenticated):
        await authenticate(database, other, system.api_key)


def test_the_memory_of_verified_keys_is_bounded() -> None:
    keys = VerifiedKeys()
    caller = system_caller()
    now = utc_now()
    for number in range(VERIFIED_MAX + 10):
        keys.keep(number.to_bytes(4, "big"), now, caller)
    assert keys.find((0).to_bytes(4, "big"), now) is None
    assert keys.find((VERIFIED_MAX + 9).to_bytes(4, "big"), now) == caller
    keys.forget(system_id=caller.system_id)
    assert keys.find((VERIFIED_MAX + 9).to_bytes(4, "big"), now) is None


def system_caller(*roles: SystemRole) -> SystemCaller:
    """A system that exists nowhere."""
    some = new_id()
    return SystemCaller(some, "x@y.z", some, some, registry.Environment.LIVE, frozenset(roles), some)


def test_requirements_tell_nobody_from_somebody_without_the_right() -> None:
    provider = system_caller(SystemRole.PROVIDER)
    tenant_id = new_id()
    operator = PersonCaller(new_id(), new_id(), None, None, frozenset(), frozenset({tenant_id}))
    assert registry.require_system(provider) is provider
    assert registry.require_system(provider, SystemRole.PROVIDER) is provider
    assert registry.require_operator(operator, tenant_id) is operator
    assert registry.require_operator(HubCaller("x"), tenant_id) == HubCaller("x")
    with pytest.raises(NotAuthenticated):
        registry.require_system(Anonymous())
    for refused in (
        lambda: registry.require_system(provider, SystemRole.CONSUMER),
        lambda: registry.require_system(operator),
        lambda: registry.require_operator(operator, new_id()),
        lambda: registry.require_operator(provider, provider.tenant_id),
        lambda: registry.require_person(provider),
    ):
        with pytest.raises(NotAllowed) as told:
            refused()
        assert told.value.problems[0].code is Code.ROLE_NOT_ALLOWED


async def test_an_idempotency_key_answers_the_first_result(database: Database) -> None:
    caller = system_caller()

    async def once(key: str | None, content: bytes, made: uuid.UUID) -> uuid.UUID | None:
        async with database.transaction() as tx:
            return await registry.once(tx, caller, key, "post", content, made)

    wanted = [new_id() for _ in range(20)]
    answers = await asyncio.gather(*(once("k", b"same", made) for made in wanted))
    assert answers.count(None) == 1
    first = wanted[answers.index(None)]
    assert {answer for answer in answers if answer is not None} == {first}
    with pytest.raises(Conflict):
        await once("k", b"other", new_id())
    assert await once(None, b"same", new_id()) is None
    for malformed in ("", "x" * 256, "a\nb"):
        with pytest.raises(InvalidInput):
            await once(malformed, b"same", new_id())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE registry_event SET change = 'x'",
        "DELETE FROM registry_event",
        "DELETE FROM system",
        "DELETE FROM api_key",
        "DELETE FROM signing_key",
        "UPDATE idempotency_key SET key = 'x'",
    ],
)
async def test_the_application_cannot_rewrite_history(
    database: Database, means: Means, statement: str
) -> None:
    await make_system(database, means)
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.transaction() as tx:
            await tx.execute(text(statement))


async def test_systems_are_found_by_unique_id_within_their_government(
    database: Database, means: Means
) -> None:
    here = await make_system(database, means)
    there = await make_system(database, means, tenant="hr")
    async with database.read() as read:
        ids = [here.unique_id, there.unique_id, "no@punjab.ifix.org"]
        found = await registry.systems_by_unique_id(read, here.tenant_id, ids)
        by_id = await registry.systems_by_id(read, here.tenant_id, [here.system_id, there.system_id])
        assert await registry.systems_by_unique_id(read, here.tenant_id, []) == {}
    assert list(found) == [here.unique_id]
    assert list(by_id) == [here.system_id]
