"""The officials' pages: server-rendered, usable without scripts, and a client of the GraphQL API like any other.

Nothing is decided here. A page asks one GraphQL operation (``documents/``) as whoever is signed in and shows what
came back, so it can do what the API can do, sees what the policy lets its caller see, and keeps every limit.
"""

from hub.portal.portal import Portal

__all__ = ["Portal"]
