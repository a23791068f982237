"""Witnesses over HTTP (C2SP tlog-witness): the wire, the client, and a witness of one's own to try them with."""

from hub.adapters.witness.client import HttpWitnessDesk

__all__ = ["HttpWitnessDesk"]
