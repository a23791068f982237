"""Where a line stands in the registries: its codes resolved, normalised and pinned, once for all lines that name the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hub.domain.fiscal_events.model import Line, LineDraft
from hub.domain.reference import Registry, ResolvedEntry, Spans, Status

# In the order in which a stored line has them.
CODE_FIELDS = (
    "coa_code",
    "coa_version_id",
    "location_code",
    "location_path",
    "location_version_id",
    "program_code",
    "program_version_id",
    "project_code",
    "project_version_id",
    "administrative_hierarchy_code",
    "administrative_hierarchy_path",
    "administrative_version_id",
    "department_code",
    "department_path",
    "department_version_id",
)
Codes = tuple[str | None, str | None, str | None, str | None, str | None, str | None]


def codes_of(line: LineDraft) -> Codes:
    """The codes a line names, in the order of ``REGISTRIES``."""
    return (
        line.coa_code,
        line.location_code,
        line.program_code,
        line.project_code,
        line.administrative_hierarchy_code,
        line.department_code,
    )


REGISTRIES = (
    Registry.COA,
    Registry.LOCATION,
    Registry.PROGRAM,
    Registry.PROJECT,
    Registry.ADMIN,
    Registry.DEPARTMENT,
)


class Placed:
    """What a line's codes mean on its day.

    ``values``: what is stored of them, as ``CODE_FIELDS``. ``is_sound``: every code that is named is known and in use,
    and its project, if any, is still open.
    """

    __slots__ = ("entries", "is_sound", "major_head", "values")

    def __init__(self, entries: Mapping[Registry, ResolvedEntry | None]) -> None:
        self.entries = entries
        self.values = _values(entries)
        head, project = entries.get(Registry.COA), entries.get(Registry.PROJECT)
        self.major_head = head.code.partition("-")[0] if head is not None else None
        self.is_sound = all(
            entry is not None and entry.status is Status.ACTIVE for entry in entries.values()
        ) and (project is None or project.attributes.get("lifecycle") not in {"CLOSED", "COMPLETED"})


def repeated(line: Line) -> tuple[Any, ...]:
    """The codes, paths and versions of a stored line: what was valid when it was posted stays so."""
    return tuple(getattr(line, name) for name in CODE_FIELDS)


class Places:
    """The places of a batch's lines: each combination of codes is worked out once for the days on which it is the same."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._found: dict[Codes, list[tuple[date, date, Placed]]] = {}

    def of(self, line: LineDraft, day: date) -> Placed:
        """The place of a line on a day; codes that are not known then have no entry."""
        codes = codes_of(line)
        known = self._found.get(codes)
        if known is None:
            known = self._found[codes] = []
        for since, until, placed in known:
            if since <= day and (day < until or until == date.max):
                return placed
        named = [(kind, code) for kind, code in zip(REGISTRIES, codes, strict=True) if code]
        spans = {kind: self._spans.span(kind, code, day) for kind, code in named}
        placed = Placed({kind: span.entry for kind, span in spans.items()})
        since = max((span.since for span in spans.values()), default=date.min)
        until = min((span.until for span in spans.values()), default=date.max)
        known.append((since, until, placed))
        return placed


def _values(entries: Mapping[Registry, ResolvedEntry | None]) -> tuple[Any, ...]:
    coa, location, program, project, node, department = (entries.get(kind) for kind in REGISTRIES)
    return (
        coa.code if coa else None,
        coa.version_id if coa else None,
        location.code if location else None,
        location.path if location else None,
        location.version_id if location else None,
        program.code if program else None,
        program.version_id if program else None,
        project.code if project else None,
        project.version_id if project else None,
        node.code if node else None,
        node.path if node else None,
        node.version_id if node else None,
        # A node says by itself whose department it is.
        department.code if department else node.department_code if node else None,
        department.path if department else node.department_path if node else None,
        department.version_id if department else None,
    )
