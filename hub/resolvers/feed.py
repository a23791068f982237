"""Doors to the feed: a page of it as a query, all that comes as subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from typing import Annotated, Generic, TypeVar

import strawberry

from hub.context import Context, Info
from hub.domain import feed
from hub.domain.feed import BEGINNING, FED, STATUSES, FeedItem as Item, FeedPage, Wanted
from hub.domain.fiscal_events.feed import Side
from hub.domain.registry import Caller
from hub.domain.transparency import LeafKind
from hub.errors import InvalidInput
from hub.replica import reads_after
from hub.schema.feed import Feed, FeedItem, SequencedEvent, SequencedMessage
from hub.schema.paging import PAGE_MAX, page_size
from hub.schema.posting_filters import FiscalEventFilter
from hub.schema.scalars import BigInt

Shape = TypeVar("Shape")

# Facts a subscription holds in memory at a time, executed and waiting for its reader.
READ_AT_ONCE = 50

AFTER = "The index the caller has come to, as `logIndex` or `scannedTo` said; null: from the beginning."
KINDS = "Null: all the feed tells of."
FILTER = "Of postings, and so of what is done to them; facts of other kinds pass. Judged as things stand now."


@strawberry.type
class FeedQuery:
    @strawberry.field(
        description="What is in the log behind `after`, once each and in order, as far as the caller may see it. "
        "A call looks at no more than 20,000 leaves."
    )
    async def feed(
        self,
        info: Info,
        after: Annotated[BigInt | None, strawberry.argument(description=AFTER)] = None,
        kinds: Annotated[list[LeafKind] | None, strawberry.argument(description=KINDS)] = None,
        filter: Annotated[FiscalEventFilter | None, strawberry.argument(description=FILTER)] = None,
        first: int = PAGE_MAX,
    ) -> Feed:
        wanted, size = wanted_of(kinds, filter), page_size(first)
        try:
            return Feed.of(await _page(info.context, wanted, after, size))
        except InvalidInput:
            if reads_after.get() is None:
                raise
        # A replica may not have come as far as the caller has.
        reads_after.set(None)
        return Feed.of(await _page(info.context, wanted, after, size))


async def _page(context: Context, wanted: Wanted, after: int | None, first: int) -> FeedPage:
    async with context.db.read() as read:
        return await feed.read_on(
            read, context.caller, wanted, first=first, after=BEGINNING if after is None else after
        )


def wanted_of(
    kinds: Collection[LeafKind] | None, filter: FiscalEventFilter | None, side: Side = Side.ALL
) -> Wanted:
    """What a reader asks for; kinds that the feed does not tell of are passed over."""
    among = FED if kinds is None else FED & set(kinds)
    return Wanted(among, (filter or FiscalEventFilter()).to_filter(), side)


class Followed(Generic[Shape]):
    """A feed read page by page for as long as somebody wants it; between the pages nothing is held.

    ``read`` and ``wait`` are for who executes a whole page at once; as an iterator it gives one fact after the other.
    """

    def __init__(
        self, context: Context, wanted: Wanted, after: int | None, shape: Callable[[Item], Shape]
    ) -> None:
        self._context = context
        self._wanted = wanted
        self._shape = shape
        self._size = 0
        self._left: list[Shape] = []
        resumed = context.resumed_after
        self.scanned_to = max(
            BEGINNING if after is None else after, BEGINNING if resumed is None else resumed
        )

    def renew(self, caller: Caller) -> Context:
        """Go on as this caller; a context of its own for each page, so that nothing loaded grows old or adds up."""
        self._context = replace(self._context, caller=caller, loaders={})
        return self._context

    async def read(self) -> list[Shape]:
        """What lies behind the last page, perhaps nothing; holds a connection only while it reads."""
        page = await _page(self._context, self._wanted, self.scanned_to, READ_AT_ONCE)
        self.scanned_to, self._size = page.scanned_to, page.size
        return [self._shape(item) for item in page.items]

    @property
    def has_more(self) -> bool:
        """Whether the next page may be read at once."""
        return self.scanned_to < self._size - 1

    async def wait(self) -> None:
        """Until there may be more."""
        assert self._context.arrivals is not None
        await self._context.arrivals.beyond(self._size, feed.readable_tenants(self._context.caller))

    def __aiter__(self) -> AsyncIterator[Shape]:
        return self

    async def __anext__(self) -> Shape:
        while not self._left:
            self._left = list(reversed(await self.read()))
            if not self._left and not self.has_more:
                await self.wait()
        return self._left.pop()


@strawberry.type
class FeedSubscription:
    @strawberry.subscription(description="The feed, from `after` on and for as long as the connection lives.")
    async def feed(
        self,
        info: Info,
        after: Annotated[BigInt | None, strawberry.argument(description=AFTER)] = None,
        kinds: Annotated[list[LeafKind] | None, strawberry.argument(description=KINDS)] = None,
        filter: Annotated[FiscalEventFilter | None, strawberry.argument(description=FILTER)] = None,
    ) -> AsyncIterator[FeedItem]:
        return Followed(info.context, wanted_of(kinds, filter), after, FeedItem.of)

    @strawberry.subscription(description="Events the caller may see.")
    async def fiscal_events(
        self,
        info: Info,
        after: Annotated[BigInt | None, strawberry.argument(description=AFTER)] = None,
        filter: Annotated[FiscalEventFilter | None, strawberry.argument(description=FILTER)] = None,
    ) -> AsyncIterator[SequencedEvent]:
        return Followed(info.context, wanted_of([LeafKind.EVENT], filter), after, SequencedEvent.of)

    @strawberry.subscription(description="Messages to the caller; receiving one marks nothing as read.")
    async def inbox_messages(
        self, info: Info, after: Annotated[BigInt | None, strawberry.argument(description=AFTER)] = None
    ) -> AsyncIterator[SequencedMessage]:
        return Followed(
            info.context, wanted_of([LeafKind.MESSAGE], None, Side.RECEIVED), after, SequencedMessage.of
        )

    @strawberry.subscription(
        description="What becomes of the caller's own postings: added signatures and read marks."
    )
    async def statuses(
        self, info: Info, after: Annotated[BigInt | None, strawberry.argument(description=AFTER)] = None
    ) -> AsyncIterator[FeedItem]:
        return Followed(info.context, wanted_of(STATUSES, None, Side.SENT), after, FeedItem.of)
