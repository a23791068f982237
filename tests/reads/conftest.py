"""A hub without HTTP, some postings with everything in them, and callers with different rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from hub.api import Api, build_schema
from hub.calls import Answer, Call
from hub.db import Database
from hub.means import Means
from tests.api.conftest import Cast, cast, client, means
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import TestSystem

__all__ = ["cast", "client", "means"]

# Everything that JSON escapes, or that one of two writers might escape and the other not.
ODD = 'q"\\/ \u0001\u001f\u007f\u0085\u2028\u2029 \U0001f600 é \t\n\r\b\f {"a": 1, "b": 2}, : end'


@dataclass
class Scene:
    """The hub, its statements, and the ids of what was posted."""

    api: Api
    cast: Cast
    event: str
    reversed: str
    reversal: str
    message: str

    async def answer(
        self, system: TestSystem | None, document: str, *, plain: bool = False, **variables: Any
    ) -> Answer:
        """The answer to a document, as a system or as nobody."""
        key = f"Bearer {system.api_key}" if system is not None else None
        return await self.api.answer(Call(document, variables, None, "trace", authorization=key, plain=plain))

    async def both(self, system: TestSystem | None, document: str, **variables: Any) -> Answer:
        """The answer, which ordinary execution gives byte for byte."""
        found = await self.answer(system, document, **variables)
        plain = await self.answer(system, document, plain=True, **variables)
        assert not plain.compiled
        assert found.body == plain.body
        assert (found.outcome, found.status, found.kind, found.fields, found.executed) == (
            plain.outcome,
            plain.status,
            plain.kind,
            plain.fields,
            plain.executed,
        )
        return found

    async def data(self, system: TestSystem, document: str, **variables: Any) -> Any:
        """``data`` of a compiled answer without errors."""
        found = await self.both(system, document, **variables)
        assert found.compiled
        return orjson.loads(found.body)["data"]


async def _post(client: Client, system: TestSystem, **over: Any) -> str:
    posted: str = (await postings.post_ok(client, system, postings.content(**over)))["id"]
    return posted


@pytest.fixture
async def scene(client: Client, cast: Cast, database: Database, means: Means) -> AsyncIterator[Scene]:
    """An event with personal values and odd texts, one taken back in part, and a message with a delivery."""
    document = await postings.upload(client, cast.provider, b"scan")
    event = await _post(
        client,
        cast.provider,
        attributes={"note": ODD, "vendor_name": "Asha Devi"},
        lines=[
            postings.line(1, "10.50", attributes={"note": ODD, "parts": ["a, b", {"c: d": "1"}]}),
            postings.line(2, "0.25", attributes={"vendor_name": "Asha Devi"}),
        ],
        attachments=[
            {"kind": "KEY_VALUE", "key": "vendor_name", "value": "Asha Devi"},
            {"kind": "KEY_VALUE", "key": "note", "value": ODD},
            {
                "kind": "DOCUMENT",
                "name": "scan.pdf",
                "mediaType": "application/pdf",
                "sizeBytes": 4,
                "sha256": document,
            },
        ],
    )
    reversed_ = await _post(
        client, cast.provider, lines=[postings.line(1, "5.00")], links=[{"relation": "FOLLOWS", "id": event}]
    )
    back = await postings.reverse(
        client, cast.provider, reversed_, mode="PARTIAL", lines=[{"lineNo": 1, "amount": "2.00"}]
    )
    assert back["errors"] == []
    sent = await postings.send(
        client, cast.provider, [cast.consumer.unique_id], correlationId=ODD[:20].strip()
    )
    assert sent["errors"] == []
    api = Api(build_schema(), database, means)
    yield Scene(api, cast, event, reversed_, back["reversal"]["id"], sent["message"]["id"])
    await api.close()
