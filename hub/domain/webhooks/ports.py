"""What webhooks ask of the world outside: to carry one signed letter to an address that is not the hub's own network."""

from __future__ import annotations

from typing import Protocol

from hub.domain.webhooks.model import Letter, Reply


class Courier(Protocol):
    """Sends letters by HTTP, signed by Standard Webhooks, through the guard against forged addresses."""

    async def send(self, letter: Letter) -> Reply:
        """Send one letter and tell what came back; a failure to send is a reply with ``error``, never an exception."""
        ...
