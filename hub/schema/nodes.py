"""The Node interface: everything with an id of its own can be fetched by it."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="Anything with a global id; the prefix of the id names its kind.")
class Node:
    id: strawberry.ID
