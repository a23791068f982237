"""Doors to fiscal events and messages: post, reverse, correct, sign, read."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.db import Transaction
from hub.domain import fiscal_events
from hub.domain.fiscal_events.inbox import IDS_MAX, InboxItem
from hub.domain.fiscal_events.model import BytesToSign as BytesToSignValue, Content
from hub.domain.fiscal_events.vocabulary import PostingKind as Kind
from hub.domain.registry import Caller
from hub.errors import InvalidInput, NotFound
from hub.kit import cursors
from hub.kit.ids import uuid_of
from hub.resolvers.doors import door
from hub.schema.fiscal_events import (
    BytesToSign,
    EventTotal,
    FiscalEvent,
    FiscalMessage,
    InboxEntry,
    Lineage,
    Posting,
    posting_of,
)
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.posting_enums import Direction, InboxState, Order
from hub.schema.posting_filters import FiscalEventFilter, GroupByInput
from hub.schema.posting_inputs import (
    AddSignatureInput,
    CorrectInput,
    MarkMessagesInput,
    PostFiscalEventInput,
    PostFiscalEventsInput,
    PostFiscalMessageInput,
    ReadMessagesInput,
    ReverseInput,
    SigningSubjectInput,
    StatementInput,
    UploadDocumentInput,
    posting_id,
)
from hub.schema.posting_payloads import (
    AddSignaturePayload,
    CorrectPayload,
    MessagesPayload,
    PostFiscalEventPayload,
    PostFiscalEventsPayload,
    PostFiscalMessagePayload,
    ReversePayload,
    UploadDocumentPayload,
)
from hub.schema.scalars import Bytes


def after_id(name: str, cursor: str | None) -> uuid.UUID | None:
    """The id a cursor of this list stands for; anything else is refused with CURSOR."""
    if cursor is None:
        return None
    (text,) = cursors.decode(name, cursor, str)
    try:
        return uuid.UUID(str(text))
    except ValueError as error:
        raise InvalidInput.because(Code.CURSOR, Code.CURSOR.summary, "after") from error


@strawberry.type
class FiscalEventsQuery:
    @strawberry.field(
        description="Events the caller may see; what is posted meanwhile never shifts later pages."
    )
    async def fiscal_events(
        self,
        info: Info,
        filter: FiscalEventFilter | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
        order: Order = Order.NEWEST_FIRST,
    ) -> Connection[FiscalEvent]:
        size, name = page_size(first), f"events:{order.value}"
        async with info.context.db.read() as read:
            rows = await fiscal_events.list_postings(
                read,
                info.context.caller,
                Kind.EVENT,
                (filter or FiscalEventFilter()).to_filter(),
                first=size,
                after=after_id(name, after),
                order=order,
            )
        return Connection.of(rows, size, FiscalEvent.of, lambda row: cursors.encode(name, str(row.id)))

    @strawberry.field
    async def fiscal_event(self, info: Info, id: strawberry.ID) -> FiscalEvent | None:
        node = await _find(info, Kind.EVENT, uuid_of("evt", id))
        return node if isinstance(node, FiscalEvent) else None

    @strawberry.field
    async def fiscal_message(self, info: Info, id: strawberry.ID) -> FiscalMessage | None:
        node = await _find(info, Kind.MESSAGE, uuid_of("msg", id))
        return node if isinstance(node, FiscalMessage) else None

    @strawberry.field(description="The caller's inbox, oldest first, without marking anything as read.")
    async def inbox(
        self,
        info: Info,
        state: InboxState = InboxState.UNREAD,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[InboxEntry]:
        size = page_size(first)
        async with info.context.db.read() as read:
            rows = await fiscal_events.list_inbox(
                read, info.context.caller, state=state, first=size, after=after_id("inbox", after)
            )
        return Connection.of(
            rows, size, InboxEntry.of, lambda item: cursors.encode("inbox", str(item.posting.id))
        )

    @strawberry.field(description="Messages the calling system sent, newest first.")
    async def sent_messages(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[FiscalMessage]:
        size = page_size(first)
        async with info.context.db.read() as read:
            rows = await fiscal_events.list_sent(
                read, info.context.caller, first=size, after=after_id("sent", after)
            )
        return Connection.of(rows, size, FiscalMessage.of, lambda row: cursors.encode("sent", str(row.id)))

    @strawberry.field(description="The chain of custody of a posting, from plan to debit; at most 20 steps.")
    async def lineage(
        self, info: Info, id: strawberry.ID, direction: Direction = Direction.BOTH, depth: int = 20
    ) -> Lineage | None:
        prefix, value = posting_id(id, Code.NOT_FOUND, "id")
        kind = Kind.EVENT if prefix == "evt" else Kind.MESSAGE
        async with info.context.db.read() as read:
            start = await fiscal_events.find_posting(read, info.context.caller, value, kind)
            if start is None:
                return None
            found = await fiscal_events.lineage(
                read, info.context.caller, start, direction=direction, depth=depth
            )
        return Lineage.of(found)

    @strawberry.field(
        description="Exact sums and counts over the lines of visible events. Messages never count."
    )
    async def fiscal_event_totals(
        self,
        info: Info,
        group_by: list[GroupByInput],
        filter: FiscalEventFilter | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[EventTotal]:
        size, by = page_size(first), [group.to_group() for group in group_by]
        name = "totals:" + ",".join(f"{group.dimension.value}{group.level or ''}" for group in by)
        keys = cursors.decode(name, after, *[str] * (len(by) + 1)) if after is not None else None
        async with info.context.db.read() as read:
            rows = await fiscal_events.totals(
                read,
                info.context.caller,
                (filter or FiscalEventFilter()).to_filter(),
                by,
                first=size,
                after=[str(key) for key in keys] if keys is not None else None,
            )
        return Connection.of(
            rows,
            size,
            lambda total: EventTotal.of(total, by),
            lambda total: cursors.encode(name, *total.keys, total.currency),
        )

    @strawberry.field(description="The exact bytes to sign for what is going to be posted, or to be signed.")
    async def bytes_to_sign(
        self, info: Info, subject: SigningSubjectInput, statement: StatementInput
    ) -> BytesToSign:
        return BytesToSign.of(await _bytes_to_sign(info, subject, statement))

    @strawberry.field(
        description="The bytes of a document attached to a posting the caller may see. ERASED: nobody can read it."
    )
    async def document_bytes(self, info: Info, posting: strawberry.ID, sha256: str) -> Bytes | None:
        prefix, value = posting_id(posting, Code.NOT_FOUND, "posting")
        kind = Kind.EVENT if prefix == "evt" else Kind.MESSAGE
        async with info.context.db.read() as read:
            found = await fiscal_events.find_bytes(
                read, info.context.means, info.context.caller, kind, value, sha256
            )
        return Bytes(found) if found is not None else None


async def _bytes_to_sign(
    info: Info, subject: SigningSubjectInput, statement: StatementInput
) -> BytesToSignValue:
    signature, caller = statement.to_origin(), info.context.caller
    async with info.context.db.transaction() as tx:
        if subject.posting:
            command = statement.to_signature(subject.posting)
            return await fiscal_events.signature_bytes(tx, caller, command)
        if subject.events is not None and subject.events is not strawberry.UNSET:
            contents = [
                _under(("subject", "events", i), event.to_content) for i, event in enumerate(subject.events)
            ]
            return await fiscal_events.batch_bytes_to_sign(tx, caller, contents, signature)
        if subject.reversal:
            content = await fiscal_events.reversal_content(tx, caller, subject.reversal.to_request())
        elif subject.replacement:
            content = fiscal_events.with_replaces(
                subject.replacement.content.to_content(), subject.replacement.reversal.to_request()
            )
        elif subject.event:
            content = subject.event.to_content()
        else:
            assert subject.message
            content = subject.message.to_content()
        return await fiscal_events.bytes_to_sign(tx, caller, content, signature)


async def _find(info: Info, kind: Kind, value: uuid.UUID | None) -> Posting | None:
    if value is None:
        return None
    async with info.context.db.read() as read:
        row = await fiscal_events.find_posting(read, info.context.caller, value, kind)
    return posting_of(row) if row is not None else None


@strawberry.type
class FiscalEventsMutation:
    @strawberry.mutation(description="Post one signed event; the answer means it is committed.")
    @door
    async def post_fiscal_event(self, info: Info, input: PostFiscalEventInput) -> PostFiscalEventPayload:
        command = input.to_command()
        verdict = await info.context.posts.post(info.context.caller, command)
        return PostFiscalEventPayload.of(verdict, "input")

    @strawberry.mutation(description="Post 1 to 500 signed events: all or none, or each on its own.")
    @door
    async def post_fiscal_events(self, info: Info, input: PostFiscalEventsInput) -> PostFiscalEventsPayload:
        commands = input.to_commands()
        verdicts = await info.context.posts.post_batch(info.context.caller, commands, input.mode)
        return PostFiscalEventsPayload.of(verdicts)

    @strawberry.mutation(description="Post one signed message to named systems.")
    @door
    async def post_fiscal_message(
        self, info: Info, input: PostFiscalMessageInput
    ) -> PostFiscalMessagePayload:
        command = input.to_command()
        verdict = await info.context.posts.post(info.context.caller, command)
        return PostFiscalMessagePayload.of(verdict, "input")

    @strawberry.mutation(description="Take back a posting in whole or part; the hub writes the lines.")
    @door
    async def reverse(self, info: Info, input: ReverseInput) -> ReversePayload:
        command = input.to_command()
        verdict = await info.context.db.run(
            lambda tx: fiscal_events.reverse(tx, info.context.means, info.context.caller, command)
        )
        return ReversePayload.of(verdict, "input")

    @strawberry.mutation(
        description="Reverse an event in full and post its replacement, together or not at all."
    )
    @door
    async def correct(self, info: Info, input: CorrectInput) -> CorrectPayload:
        command = input.to_command()
        verdicts = await info.context.db.run(
            lambda tx: fiscal_events.correct(tx, info.context.means, info.context.caller, command)
        )
        return CorrectPayload.of(verdicts)

    @strawberry.mutation(description="Acknowledge, approve or reject a posting the caller may see.")
    @door
    async def add_signature(self, info: Info, input: AddSignatureInput) -> AddSignaturePayload:
        command = input.to_command()
        async with info.context.db.transaction() as tx:
            signature = await fiscal_events.add_signature(tx, info.context.caller, command)
        return AddSignaturePayload.of(signature)

    @strawberry.mutation(description="Upload a document to attach; `sha256` must be the digest of `content`.")
    @door
    async def upload_document(self, info: Info, input: UploadDocumentInput) -> UploadDocumentPayload:
        async with info.context.db.transaction() as tx:
            document = await fiscal_events.upload(
                tx,
                info.context.means,
                info.context.caller,
                sha256=input.sha256,
                media_type=input.media_type,
                content=input.content,
            )
        return UploadDocumentPayload.of(document)

    @strawberry.mutation(
        description="Hand out the oldest unread messages: CONSUME marks them read, LEASE hides them 60 s."
    )
    @door
    async def read_messages(self, info: Info, input: ReadMessagesInput) -> MessagesPayload:
        size = page_size(input.first)
        async with info.context.db.transaction() as tx:
            items = await fiscal_events.read_messages(tx, info.context.caller, first=size, mode=input.mode)
        return MessagesPayload(messages=[InboxEntry.of(item) for item in items])

    @strawberry.mutation(description="Mark own messages as read; marking again changes nothing.")
    @door
    async def mark_messages_read(self, info: Info, input: MarkMessagesInput) -> MessagesPayload:
        return await _mark(info, input.ids, fiscal_events.mark_read)

    @strawberry.mutation(description="Put own messages back among the unread.")
    @door
    async def mark_messages_unread(self, info: Info, input: MarkMessagesInput) -> MessagesPayload:
        return await _mark(info, input.ids, fiscal_events.mark_unread)


MarkVerb = Callable[[Transaction, Caller, Collection[uuid.UUID]], Awaitable[list[InboxItem]]]


async def _mark(info: Info, ids: list[strawberry.ID], verb: MarkVerb) -> MessagesPayload:
    if not 1 <= len(ids) <= IDS_MAX:
        raise InvalidInput.because(Code.PAGE_SIZE, f"1 to {IDS_MAX} ids", "ids")
    values = []
    for i, text in enumerate(ids):
        value = uuid_of("msg", text)
        if value is None:
            raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "ids", i)
        values.append(value)
    async with info.context.db.transaction() as tx:
        items = await verb(tx, info.context.caller, values)
    return MessagesPayload(messages=[InboxEntry.of(item) for item in items])


def _under(prefix: tuple[str | int, ...], convert: Callable[[], Content]) -> Content:
    """Convert one item of a list; what is refused says which one."""
    try:
        return convert()
    except InvalidInput as refused:
        raise InvalidInput([problem.under(*prefix) for problem in refused.problems]) from refused


async def _event(info: Info, value: uuid.UUID) -> Node | None:
    return await _find(info, Kind.EVENT, value)


async def _message(info: Info, value: uuid.UUID) -> Node | None:
    return await _find(info, Kind.MESSAGE, value)


NODES: dict[str, Callable[[Info, uuid.UUID], Awaitable[Node | None]]] = {"evt": _event, "msg": _message}
