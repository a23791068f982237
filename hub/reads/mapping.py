"""How a storage mapping is written down: for each GraphQL type, where the value of each field stands.

A mapping is declared once beside the schema's types. Values are chosen from a row by name, or by a function of the
reader and the row that gives SQL; lists and objects beside a row are functions that give ``Rows``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import Any, Protocol

from sqlalchemy import BindParameter, ColumnElement, FromClause


class Rows(Protocol):
    """Rows of the database: their columns by name, where they are, and the access predicate over them."""

    @property
    def row(self) -> Any:
        """The columns, by name."""

    @property
    def source(self) -> FromClause:
        """What stands behind FROM."""

    @property
    def tables(self) -> tuple[FromClause, ...]:
        """The tables of the source, none of which belongs to a statement around it."""

    @property
    def where(self) -> tuple[ColumnElement[bool], ...]:
        """How the rows hang on the row around them, and the criteria."""

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Their order."""

    @property
    def policy(self) -> ColumnElement[bool] | None:
        """Who may see them; required of roots and of guarded shapes."""

    @property
    def is_empty(self) -> ColumnElement[bool] | None:
        """Told from the row around them: there are none."""


class Wire(Enum):
    """How a value is written as JSON; the values themselves never differ from ordinary execution's."""

    TEXT = auto()  # any text, escaped
    WORD = auto()  # text that needs no escape: enums, ids, hex, decimals
    NUMBER = auto()  # an Int
    DAY = auto()
    INSTANT = auto()
    BYTES = auto()
    ATTRIBUTES = auto()  # a JSON object, masked where the leaf's ``masked`` says so
    PERSONAL = auto()  # a text that may be personal: its key is ``key``


Value = Callable[[Any, Any], ColumnElement[Any]]
Condition = Callable[[Any, Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or an enum: the name of a column, or a function of reader and row."""

    value: str | Value
    wire: Wire = Wire.TEXT
    prefix: str = ""
    masked: Condition | None = None
    key: str = ""

    def of(self, reader: Any, row: Any) -> ColumnElement[Any]:
        """The SQL of the value."""
        found: ColumnElement[Any] = (
            getattr(row, self.value) if isinstance(self.value, str) else self.value(reader, row)
        )
        return found


@dataclass(frozen=True, slots=True)
class Many:
    """A list beside the row: of objects of the named shape, or of leaves."""

    rows: Callable[[Any, Any], Rows]
    of: str | Leaf


@dataclass(frozen=True, slots=True)
class One:
    """One object beside the row, which is always there."""

    rows: Callable[[Any, Any], Rows]
    of: str


@dataclass(frozen=True, slots=True)
class Within:
    """An object made of the row's own columns, or of those of another row joined to it; null unless present."""

    of: str
    row: str | None = None
    present: Condition | None = None


@dataclass(frozen=True, slots=True)
class Each:
    """A list whose length is known before anything is read: objects made of the rows in one member of the row."""

    of: str
    rows: str


Field = Leaf | Many | One | Within | Each


@dataclass(frozen=True, slots=True)
class Shape:
    """A GraphQL object type: its fields by their names in the API. Guarded: rows without a policy are refused."""

    name: str
    fields: Mapping[str, Field]
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a connection: how many rows, and how the cursor of a row is made of its first column."""

    size: int
    cursor: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Ask:
    """What one root field asks for in one request; ``is_sum``: its rows are figures over many others.

    ``key`` is what the SQL depends on besides the selection and the kind of reader, ``rows`` builds it when it is not
    known yet; ``values`` are the named parameters of this request, ``unnamed`` those without a name, in the order
    in which SQLAlchemy's cache key of the criteria lists them.
    """

    shape: str
    key: Hashable
    rows: Callable[[Any], Rows]
    values: Mapping[str, Any]
    page: Page | None = None
    unnamed: Sequence[BindParameter[Any]] = ()
    is_sum: bool = False

    @property
    def has_criteria(self) -> bool:
        """Whether the best plan depends on the values asked for; that of sums always does."""
        return self.is_sum or bool(self.unnamed)


Fetch = Callable[..., Awaitable[Sequence[Any]]]


class Sources(Protocol):
    """Where statements go: ``fetch`` plans them once for any values, ``search`` each time for the values given."""

    @property
    def fetch(self) -> Fetch:
        """For reads by id and whole lists."""

    @property
    def search(self) -> Fetch:
        """For lists with criteria, and figures."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root field: from the caller and the arguments its resolver would get to what is asked for.

    ``ask`` raises what the resolver would raise, or gives None for what is left to ordinary execution.
    """

    ask: Callable[..., Ask | None]


@dataclass(frozen=True, slots=True)
class Storage:
    """The whole mapping: shapes and roots by name, the kinds of readers, and how personal values are masked.

    ``nodes`` are rows by ids; ``trial`` is a kind of reader to compile with before anybody asks.
    """

    shapes: Mapping[str, Shape]
    roots: Mapping[str, Root]
    reader_of: Callable[[Any], Any]
    values_of: Callable[[Any], dict[str, Any]]
    masked: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    trial: Any
    nodes: Mapping[str, Callable[[Any], Rows]] = field(default_factory=dict)


KEYS_MAX = 4_096
_keys: dict[Hashable, int] = {}
_numbers = count()


def unnamed_of(criteria: Sequence[Any]) -> tuple[Hashable, Sequence[BindParameter[Any]]]:
    """What the text of these criteria depends on, and their parameters in the order in which it is found again.

    The first is a number that stands for SQLAlchemy's key, which is large and slow to compare.
    """
    found: list[Hashable] = []
    unnamed: list[BindParameter[Any]] = []
    for one in criteria:
        key = one._generate_cache_key()  # noqa: SLF001 - SQLAlchemy's own notion of "the same text"
        if key is None:
            raise NotCompilable
        found.append(key.key)
        unnamed += key.bindparams
    if len(_keys) >= KEYS_MAX:
        _keys.clear()
    whole = tuple(found)
    if whole not in _keys:
        _keys[whole] = next(_numbers)
    return _keys[whole], unnamed


class NotCompilable(Exception):
    """What was asked is left to ordinary execution, as a whole."""
