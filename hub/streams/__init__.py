"""Subscriptions: what the log brings, pushed over WebSockets (graphql-transport-ws) and event streams (graphql-sse)."""

from hub.streams.events import EventStreams
from hub.streams.seats import Seats
from hub.streams.sockets import Sockets
from hub.streams.standing import Standings
from hub.streams.subscriptions import Subscriptions

__all__ = ["EventStreams", "Seats", "Sockets", "Standings", "Subscriptions"]
