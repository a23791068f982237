"""Development's mailbox page is for the machine itself, never for the network."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.app import create_app
from hub.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("192.0.2.7", "localhost", 404),
        ("127.0.0.1", "attacker.example", 404),
    ],
)
async def test_the_mailbox_answers_this_machine_alone(
    settings: Settings, address: str, host: str, status: int
) -> None:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, client=(address, 4242))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}:8080") as http:
            assert (await http.get("/dev/mailbox")).status_code == status


async def test_production_has_no_mailbox(settings: Settings) -> None:
    keys = dict.fromkeys(("master_key", "signing_key", "log_key", "vault_key"), "A" * 43 + "=")
    over: dict[str, Any] = {**keys, "mode": "production", "public_url": "http://localhost"}
    production = Settings(**{**settings.model_dump(), **over})
    app = create_app(production)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert (await http.get("/dev/mailbox")).status_code == 404
