"""Webhooks over HTTP: letters signed by Standard Webhooks 1.0, sent to addresses that are not the hub's own network."""

from hub.adapters.webhooks.courier import HttpCourier
from hub.adapters.webhooks.guard import Guard

__all__ = ["Guard", "HttpCourier"]
