"""Webhooks over HTTP: letters signed by Standard Webhooks 1.0, sent through the guard of `hub.adapters.outbound`."""

from hub.adapters.webhooks.courier import HttpCourier

__all__ = ["HttpCourier"]
