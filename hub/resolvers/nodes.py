"""``node`` and ``nodes``: anything with a global id, through the loader of the room that owns its prefix."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.errors import InvalidInput
from hub.kit import ids
from hub.resolvers import fiscal_events, programs, reference, registry, webhooks
from hub.schema.nodes import Node

Loader = Callable[[Info, uuid.UUID], Awaitable[Node | None]]

IDS_MAX = 100
# Every room's loaders by the prefix of its ids; each applies the room's access policy itself.
ROOMS: tuple[Mapping[str, Loader], ...] = (
    registry.NODES,
    fiscal_events.NODES,
    programs.NODES,
    reference.NODES,
    webhooks.NODES,
)


async def _load(info: Info, text: str) -> Node | None:
    """The thing with this id; malformed, unknown, absent and invisible are all the same nothing."""
    parsed = ids.parse_public_id(text)
    if parsed is None:
        return None
    prefix, value = parsed
    for loaders in ROOMS:
        if prefix in loaders:
            return await loaders[prefix](info, value)
    return None


@strawberry.type
class NodeQuery:
    @strawberry.field(description="Anything by its global id; null when absent or not visible to the caller.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await _load(info, str(id))

    @strawberry.field(
        description="Up to 100 things by their global ids, in the order asked for; null for what is not visible."
    )
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        if len(ids) > IDS_MAX:
            raise InvalidInput.because(Code.PAGE_SIZE, f"at most {IDS_MAX} ids, not {len(ids)}", "ids")
        return [await _load(info, str(one)) for one in ids]
