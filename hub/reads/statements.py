"""SQLAlchemy statements as PostgreSQL's own text with ``$1`` parameters, written once and run many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from hub.reads.mapping import NotCompilable

_DIALECT: Any = dialect()  # type: ignore[no-untyped-call]
_CONSTANT, _NAMED, _UNNAMED = range(3)


@dataclass(frozen=True, slots=True)
class Written:
    """SQL text, and where each of its parameters comes from."""

    sql: str
    parameters: tuple[tuple[int, Any, Any], ...]

    def arguments(self, named: Mapping[str, Any], unnamed: Sequence[BindParameter[Any]]) -> list[Any]:
        """The values of one run, in the order of the text."""
        values: list[Any] = []
        for source, key, process in self.parameters:
            if source == _NAMED:
                value = named[key]
            elif source == _UNNAMED:
                value = unnamed[key].effective_value
            else:
                value = key
            values.append(value if process is None else process(value))
        return values


def write(statement: Any, unnamed: Sequence[BindParameter[Any]] = ()) -> Written:
    """The text of a statement whose parameters are named, or unnamed in the order given, or constants of ours.

    Raises NotCompilable when one of the unnamed is not in the text: its value might stand there as a constant.
    """
    compiled: Any = statement.compile(dialect=_DIALECT)
    if compiled.post_compile_params or compiled.literal_execute_params:
        raise NotCompilable
    places = {bind.key: i for i, bind in enumerate(unnamed)}
    processors = compiled._bind_processors  # noqa: SLF001 - how each type wants its values on this driver
    parameters: list[tuple[int, Any, Any]] = []
    for name in compiled.positiontup:
        bind, process = compiled.binds[name], processors.get(name)
        if not bind.unique:
            parameters.append((_NAMED, bind.key, process))
        elif bind.key in places:
            parameters.append((_UNNAMED, places[bind.key], process))
        else:
            value = bind.effective_value
            parameters.append((_CONSTANT, value if process is None else process(value), None))
    found = {key for source, key, _ in parameters if source == _UNNAMED}
    if len(found) != sum(bind.unique for bind in unnamed):
        raise NotCompilable
    return Written(compiled.string, tuple(parameters))
