"""A small client of the hub, made of httpx and PyNaCl alone: the reference for clients in other languages."""

from hub.client.hub import Hub, HubRefused
from hub.client.proving import NotProven, prove
from hub.client.signing import Signer, amount, canonical, event_bytes, instant, merkle_root

__all__ = [
    "Hub",
    "HubRefused",
    "NotProven",
    "Signer",
    "amount",
    "canonical",
    "event_bytes",
    "instant",
    "merkle_root",
    "prove",
]
