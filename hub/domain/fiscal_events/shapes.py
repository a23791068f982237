"""What stands beside a posting, as SQL that other SQL can be built from: rows, their order, and who may see them.

The functions here say where rows are and how they hang on the row they stand beside, given by its columns; values
are chosen from the columns of ``Rows.row``. They mean the same as the lists of ``reading`` and ``inbox``, which the
property test of sameness compares them with. Rows of postings carry the policy and are refused without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    String,
    Text,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from hub.domain.fiscal_events import access, inbox, tables
from hub.domain.fiscal_events.catalogue import masked_keys
from hub.domain.fiscal_events.vocabulary import PostingKind, Purpose
from hub.domain.registry import Caller
from hub.signing import HASH_BYTES, Domain

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one or more tables: their columns, how they hang on the row around them, and their order.

    ``policy`` is the access predicate; rows of postings have one, lists of a posting already shown need none.
    ``is_empty`` tells from the row around them, without looking, that there are none.
    """

    row: Any
    source: FromClause
    tables: tuple[FromClause, ...]
    where: tuple[Condition, ...]
    order: tuple[ColumnElement[Any], ...] = ()
    policy: Condition | None = None
    is_empty: Condition | None = None


def _words(text: str) -> ColumnElement[str]:
    return literal_column(f"'{text}'", Text)


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value), Integer)


def _of(row: Any) -> FromClause:
    """The table (or alias) a row's columns belong to."""
    table: FromClause = row.id.table
    return table


def _beside(table: FromClause, row: Any, *order: str) -> Rows:
    own = table.alias()
    return Rows(
        row=own.c,
        source=own,
        tables=(own,),
        where=(own.c.tenant_id == row.tenant_id, own.c.posting_id == row.id),
        order=tuple(own.c[name] for name in order),
    )


def receivers(_: Caller, row: Any) -> Rows:
    """Addressees, in order; a posting that is not narrowed has none."""
    rows = _beside(tables.posting_receiver, row, "ordinal")
    return Rows(rows.row, rows.source, rows.tables, rows.where, rows.order, is_empty=not_(row.narrowed))


def lines(_: Caller, row: Any) -> Rows:
    """Line items, by number; they know the posting they belong to."""
    rows = _beside(tables.posting_line, row, "line_no")
    own = rows.source
    return Rows(SimpleNamespace(**dict(own.c.items()), posting=row), own, (own,), rows.where, rows.order)


def signatures(_: Caller, row: Any) -> Rows:
    """Signatures, oldest first."""
    return _beside(tables.posting_signature, row, "id")


def attachments(_: Caller, row: Any) -> Rows:
    """Attachments, in order; they know the posting they belong to."""
    rows = _beside(tables.posting_attachment, row, "ordinal")
    own = rows.source
    return Rows(SimpleNamespace(**dict(own.c.items()), posting=row), own, (own,), rows.where, rows.order)


def receipt(_: Caller, row: Any) -> Rows:
    """The hub's receipt; every posting has one."""
    return _beside(tables.receipt, row)


def _elements(values: ColumnElement[Any]) -> Rows:
    """The objects of a JSON list, in order."""
    found = func.jsonb_array_elements(values).table_valued(
        column("value", JSONB), with_ordinality="place", name="element"
    )
    own = found.render_derived()
    return Rows(
        own.c.value,
        own,
        (own,),
        (),
        (own.c.place,),
        is_empty=values == literal_column("'[]'::jsonb", JSONB),
    )


def tags(_: Caller, row: Any) -> Rows:
    """Tags of a line, as written."""
    return _elements(row.tags)


def warnings(_: Caller, row: Any) -> Rows:
    """Warnings of a posting, as written."""
    return _elements(row.warnings)


def path_parts(_: Caller, value: Any) -> Rows:
    """The parts of a warning's path as texts."""
    found = func.jsonb_array_elements_text(value["path"]).table_valued(
        column("part", Text), with_ordinality="place", name="part_of_path"
    )
    own = found.render_derived()
    return Rows(own.c.part, own, (own,), (), (own.c.place,))


def member(name: str) -> Any:
    """A text member of a JSON object that is itself the row."""

    def text(_: Caller, value: Any) -> ColumnElement[Any]:
        found: ColumnElement[Any] = value[name].astext
        return found

    return text


def element(_: Caller, value: Any) -> ColumnElement[Any]:
    """The row itself, where rows are plain values."""
    found: ColumnElement[Any] = value
    return found


def links(caller: Caller, row: Any) -> Rows:
    """Links, resolved to what this caller can see; see ``reading.links_of``."""
    link = tables.posting_link.alias()
    by_id, by_reference = tables.posting.alias(), tables.posting.alias()
    source = link.outerjoin(
        by_id,
        and_(
            by_id.c.tenant_id == link.c.tenant_id,
            by_id.c.id == link.c.parent_id,
            access.visible(caller, by_id),
        ),
    ).outerjoin(
        by_reference,
        and_(
            by_reference.c.tenant_id == link.c.tenant_id,
            by_reference.c.sender_id == link.c.parent_system_id,
            by_reference.c.reference_id == link.c.parent_reference,
            access.visible(caller, by_reference),
        ),
    )
    kind, parent = (
        func.coalesce(by_id.c.kind, by_reference.c.kind),
        func.coalesce(by_id.c.id, by_reference.c.id),
    )
    resolved = SimpleNamespace(
        relation=link.c.relation,
        state=case((parent.is_(None), _words("PENDING")), else_=_words("RESOLVED")),
        parent=_prefix(kind) + cast(parent, Text),
        parent_system=func.coalesce(link.c.parent_system, by_id.c.sender),
        parent_reference=func.coalesce(link.c.parent_reference, by_id.c.reference_id),
    )
    where = (link.c.tenant_id == row.tenant_id, link.c.posting_id == row.id)
    return Rows(resolved, source, (link, by_id, by_reference), where, (link.c.ordinal,))


def _prefix(kind: ColumnElement[Any]) -> ColumnElement[str]:
    """How ids of this kind of posting begin on the wire (model.PREFIXES)."""
    return case((kind == _words(PostingKind.EVENT.value), _words("evt_")), else_=_words("msg_"))


def reversals(caller: Caller, row: Any) -> Rows:
    """Reversals the caller can see, oldest first."""
    own = tables.posting.alias()
    return Rows(
        own.c,
        own,
        (own,),
        (own.c.tenant_id == row.tenant_id, own.c.reverses_id == row.id),
        (own.c.id,),
        policy=access.visible(caller, own),
    )


def deliveries(caller: Caller, row: Any) -> Rows:
    """How far a message got, as far as it concerns the caller; see ``inbox.deliveries_of``."""
    entry, receiver = tables.inbox_entry.alias(), tables.posting_receiver.alias()
    source = entry.join(
        receiver,
        and_(
            receiver.c.tenant_id == entry.c.tenant_id,
            receiver.c.posting_id == entry.c.posting_id,
            receiver.c.system_id == entry.c.system_id,
        ),
    )
    found = SimpleNamespace(
        system=receiver.c.system, delivered_at=entry.c.delivered_at, read_at=entry.c.read_at
    )
    return Rows(
        found,
        source,
        (entry, receiver),
        (
            entry.c.tenant_id == row.tenant_id,
            entry.c.posting_id == row.id,
            inbox.concerns(caller, _of(row), receiver),
        ),
        (receiver.c.ordinal,),
        policy=access.visible(caller, _of(row)),
    )


# Values of a posting that stand in other tables.


def approval_state(_: Caller, row: Any) -> ColumnElement[Any]:
    """The weightiest signature: a rejection, else an approval, else an acknowledgement."""
    rows = _beside(tables.posting_signature, row)
    purpose = rows.row.purpose
    weight = case(
        (purpose == _words(Purpose.REJECTION.value), 3),
        (purpose == _words(Purpose.APPROVAL.value), 2),
        (purpose == _words(Purpose.ACKNOWLEDGEMENT.value), 1),
        else_=0,
    )
    heaviest = select(func.max(weight)).where(*rows.where).correlate_except(rows.source).scalar_subquery()
    return case(
        {3: _words("REJECTED"), 2: _words("APPROVED"), 1: _words("ACKNOWLEDGED")},
        value=heaviest,
        else_=_words("NONE"),
    )


def reversed_amount(_: Caller, row: Any) -> ColumnElement[Any]:
    """What was taken back so far; nothing has the scale of the total."""
    rows = _beside(tables.line_balance, row)
    taken = select(func.sum(rows.row.reversed)).where(*rows.where).correlate_except(rows.source)
    return func.coalesce(
        func.nullif(taken.scalar_subquery(), literal_column("0")), row.total_amount - row.total_amount
    )


def net_amount(caller: Caller, row: Any) -> ColumnElement[Any]:
    """Total less what was taken back."""
    left: ColumnElement[Any] = row.total_amount - reversed_amount(caller, row)
    return left


def reversal_state(_: Caller, row: Any) -> ColumnElement[Any]:
    """Whether the posting is a reversal, or was taken back in part or whole; see ``reading.taken_back``."""
    rows, back = _beside(tables.line_balance, row), tables.posting.alias()
    balance = rows.row
    taken = (
        select(
            case(
                (func.bool_and(balance.reversed == balance.amount), _words("REVERSED")),
                (func.bool_or(balance.reversed != literal_column("0")), _words("PARTIALLY_REVERSED")),
            )
        )
        .where(*rows.where)
        .correlate_except(rows.source)
        .scalar_subquery()
    )
    without_lines = (
        select(literal_column("1"))
        .where(
            back.c.tenant_id == row.tenant_id,
            back.c.reverses_id == row.id,
            back.c.line_count == literal_column("0"),
        )
        .correlate_except(back)
        .exists()
    )
    return case(
        (row.reverses_id.is_not(None), _words("IS_REVERSAL")),
        (without_lines, _words("REVERSED")),
        else_=func.coalesce(taken, _words("NONE")),
    )


def reverses(_: Caller, row: Any) -> ColumnElement[Any]:
    """The id of the posting this one reverses, as the API writes it."""
    return _prefix(row.kind) + cast(row.reverses_id, Text)


def is_reversal(_: Caller, row: Any) -> Condition:
    """Set on reversals only."""
    return and_(
        row.reverses_id.is_not(None), row.reversal_mode.is_not(None), row.reversal_reason.is_not(None)
    )


def digest(_: Caller, row: Any) -> ColumnElement[Any]:
    """The content digest as the API writes it."""
    return _words("sha256:") + func.encode(row.content_digest, _words("hex"))


def sha256(_: Caller, row: Any) -> ColumnElement[Any]:
    """An attachment's digest in hex."""
    return func.encode(row.sha256, _words("hex"))


def is_batch(_: Caller, row: Any) -> Condition:
    """Whether a signature is over a whole batch."""
    return and_(row.batch_index.is_not(None), row.batch_size.is_not(None), row.batch_path.is_not(None))


def batch_path(_: Caller, row: Any) -> Rows:
    """The hashes of a batch's proof, which the row keeps one behind the other."""
    length = func.octet_length(row.batch_path, type_=Integer)
    found = func.generate_series(_number(0), length - _number(1), _number(HASH_BYTES)).table_valued(
        column("start", Integer), name="hash_of_path"
    )
    own = found.render_derived()
    one = func.substr(row.batch_path, own.c.start + _number(1), _number(HASH_BYTES), type_=BYTEA)
    return Rows(one, own, (own,), (), (own.c.start,))


def batch_root(_: Caller, row: Any) -> ColumnElement[Any]:
    """The root that the signed statement names: a member of the JSON behind its domain line."""
    begin = len(Domain.BATCH_SIGNATURE.value) + len("\n") + 1
    behind = func.substr(row.statement, _number(begin))
    members = cast(func.convert_from(behind, _words("UTF8")), JSONB)
    root: ColumnElement[Any] = members["root"].astext
    return root


# Personal values: in clear for parties alone; see masking.py.


def _personal_keys() -> ColumnElement[Any]:
    """The catalogue's own list, as text: it is part of the program, not a value of a request."""
    listed = ",".join(f"'{key}'" for key in sorted(masked_keys()))
    return literal_column(f"ARRAY[{listed}]::text[]", ARRAY(String))


def is_masked(caller: Caller, row: Any) -> Condition:
    """Whether a posting's own attributes hold personal values that the caller does not see in clear."""
    return and_(row.attributes.has_any(_personal_keys()), not_(access.is_party(caller, _of(row))))


def is_line_masked(caller: Caller, row: Any) -> Condition:
    """The same of a line."""
    return and_(row.attributes.has_any(_personal_keys()), not_(access.is_party(caller, _of(row.posting))))


def is_attachment_masked(caller: Caller, row: Any) -> Condition:
    """The same of an attachment's value."""
    return and_(
        row.key.is_not(None),
        row.value.is_not(None),
        row.kind == _words("KEY_VALUE"),
        row.key == func.any(_personal_keys()),
        not_(access.is_party(caller, _of(row.posting))),
    )


def is_withheld(caller: Caller, row: Any) -> Condition:
    """Whether a posting holds personal values anywhere that the caller does not see in clear; see ``masking``."""
    keys, line, attachment = _personal_keys(), tables.posting_line.alias(), tables.posting_attachment.alias()

    def of_posting(table: FromClause) -> Condition:
        return and_(table.c.tenant_id == row.tenant_id, table.c.posting_id == row.id)

    in_lines = exists().where(of_posting(line), line.c.attributes.has_any(keys)).correlate_except(line)
    in_attachments = (
        exists()
        .where(of_posting(attachment), attachment.c.key == func.any(keys))
        .correlate_except(attachment)
    )
    personal = or_(row.attributes.has_any(keys), in_lines, in_attachments)
    return and_(not_(access.is_party(caller, _of(row))), personal)


def everything() -> Condition:
    """No restriction."""
    return true()
