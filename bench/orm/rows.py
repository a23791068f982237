"""The peers' tables as ORM classes; their columns are the hub's own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, relationship, remote

from hub.domain.fiscal_events import tables

peer = MetaData(schema="peer")


def mirror(table: Table) -> Table:
    """The same columns and key in the peers' schema; what else guards the hub's rows stays behind."""
    return Table(
        table.name,
        peer,
        *(
            Column(one.name, one.type, primary_key=one.primary_key, nullable=one.nullable)
            for one in table.columns
        ),
    )


class Row(DeclarativeBase):
    """A row of one of the peers' tables."""

    metadata = peer


class PostingLine(Row):
    """One line."""

    __table__ = mirror(tables.posting_line)


class PostingSignature(Row):
    """One signature."""

    __table__ = mirror(tables.posting_signature)


class Posting(Row):
    """One event or message."""

    __table__ = mirror(tables.posting)
    lines: Mapped[list[PostingLine]] = relationship(
        PostingLine,
        primaryjoin=lambda: Posting.__table__.c.id == foreign(PostingLine.__table__.c.posting_id),
        order_by=lambda: PostingLine.__table__.c.line_no,
        viewonly=True,
    )
    signatures: Mapped[list[PostingSignature]] = relationship(
        PostingSignature,
        primaryjoin=lambda: Posting.__table__.c.id == foreign(PostingSignature.__table__.c.posting_id),
        order_by=lambda: PostingSignature.__table__.c.id,
        viewonly=True,
    )


class InboxEntry(Row):
    """One message in one inbox."""

    __table__ = mirror(tables.inbox_entry)
    message: Mapped[Posting] = relationship(
        Posting,
        primaryjoin=lambda: foreign(InboxEntry.__table__.c.posting_id) == remote(Posting.__table__.c.id),
        viewonly=True,
        uselist=False,
    )


def column(row: type[Row], name: str) -> Any:
    """A mapped column, which reflected classes do not declare one by one."""
    return getattr(row, name)
