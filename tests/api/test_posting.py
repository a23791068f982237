"""Posting events from outside: the main job, end to end."""

from __future__ import annotations

import pytest

from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings

pytestmark = pytest.mark.anyio


async def test_a_signed_event_reaches_every_consumer(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(client, cast.provider)
    seen = await client.acting(cast.consumer.api_key).run(
        "{ fiscalEvents { edges { node { id from totalAmount lineItems { amount coaCode } signatures { purpose } } } } }"
    )
    (edge,) = seen["fiscalEvents"]["edges"]
    assert edge["node"] == {
        "id": event["id"],
        "from": cast.provider.unique_id,
        "totalAmount": "1000.00",
        "lineItems": [{"amount": "1000.00", "coaCode": postings.CAPITAL_HEAD}],
        "signatures": [{"purpose": "ORIGIN"}],
    }
