"""The columns of import files, and how one row becomes a command."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from hub.codes import Code
from hub.domain.reference import coa
from hub.domain.reference.model import KEEP, Registry, SaveEntry, Status
from hub.domain.reference.rules import FIELDS, SCHEME_SPELLINGS
from hub.errors import Problem

WRONG_WIDTH = "\x00width"
SEVERAL = ";"
ALL = frozenset({"code", "name", "parentCode", "validFrom", "validTo", "status"})
HEADS = frozenset(tier.name for tier in coa.TIERS)
HEAD_NAMES = frozenset(f"{tier.name}Name" for tier in coa.TIERS)
KNOWN: Mapping[Registry, frozenset[str]] = {
    Registry.LOCATION: ALL | {"type", "externalCode"},
    Registry.DEPARTMENT: ALL | {"isNodal"},
    Registry.LEVEL: (ALL - {"code", "name"}) | {"department", "label"},
    Registry.ADMIN: ALL | {"department", "level", "locations"},
    Registry.COA: (ALL - {"parentCode"}) | {"profile", "majorHeadType"} | HEADS | HEAD_NAMES,
    Registry.PROGRAM: ALL | {"type", "sponsorship", "objective", "department", "chartOfAccounts"},
    Registry.PROJECT: ALL
    | {
        "lifecycle",
        "totalCost",
        "currency",
        "sanctionReference",
        "programs",
        "administrativeNodes",
        "locations",
    },
}
REQUIRED: Mapping[Registry, tuple[str, ...]] = {
    Registry.LOCATION: ("code", "name"),
    Registry.DEPARTMENT: ("code", "name"),
    Registry.LEVEL: ("department", "label"),
    Registry.ADMIN: ("department", "code", "name", "level"),
    Registry.COA: ("code",),
    Registry.PROGRAM: ("code", "name", "type"),
    Registry.PROJECT: ("code", "name"),
}
LINKS: Mapping[str, Registry] = {
    "locations": Registry.LOCATION,
    "programs": Registry.PROGRAM,
    "administrativeNodes": Registry.ADMIN,
    "chartOfAccounts": Registry.COA,
}
PLAIN = (
    "sponsorship",
    "objective",
    "lifecycle",
    "totalCost",
    "currency",
    "sanctionReference",
    "majorHeadType",
)
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
TRANSLATION = re.compile(r"name:[A-Za-z0-9-]{2,35}\Z")


def spelling(cell: str) -> str:
    """A column's name as the API spells it; snake_case is read as well."""
    text = cell.strip()
    if is_translation(text):
        return text
    first, *rest = text.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def is_translation(cell: str) -> bool:
    """Whether a column holds names in another language."""
    return TRANSLATION.match(cell) is not None


def read_row(
    registry: Registry, row: Mapping[str, str], *, profile: coa.Profile
) -> tuple[SaveEntry, list[Problem]]:
    """One row's command, and every cell that cannot be read. Empty cells say nothing."""
    if WRONG_WIDTH in row:
        return SaveEntry(registry), [Problem(Code.CSV_UNREADABLE, row[WRONG_WIDTH])]
    cells = {name: value.strip() for name, value in row.items() if value.strip()}
    problems: list[Problem] = []

    def read(name: str, convert: Callable[[str], Any], words: str) -> Any:
        if name not in cells:
            return None
        try:
            return convert(cells[name])
        except (KeyError, ValueError):
            problems.append(Problem(Code.INPUT, f"{cells[name][:64]!r} is not {words}", (name,)))
            return None

    level = read("level", int, "a whole number")
    status = read("status", Status, "ACTIVE or RETIRED")
    end = read("validTo", date.fromisoformat, "a date such as 2026-07-01")
    translations = {name[5:]: cells[name] for name in cells if is_translation(name)}
    chosen = read("profile", coa.Profile, "STRICT or OPEN") or profile
    code, ancestor_names, found = _code(registry, cells, chosen)
    problems += found
    command = SaveEntry(
        registry,
        code=code,
        scope=cells.get("department", "") if registry in (Registry.LEVEL, Registry.ADMIN) else "",
        name=cells.get("label") or cells.get("name") or cells.get("objectHeadName") or KEEP,
        names=translations or KEEP,
        parent=cells.get("parentCode", KEEP if "parentCode" not in row else None),
        level=level if level is not None else KEEP,
        status=status or KEEP,
        attributes=_attributes(registry, cells, chosen, read),
        links=_links(registry, cells),
        valid_from=read("validFrom", date.fromisoformat, "a date such as 2026-07-01"),
        valid_to=end or KEEP,
        ancestor_names=ancestor_names,
    )
    if (
        registry is not Registry.LEVEL
        and registry is not Registry.COA
        and "name" in row
        and "name" not in cells
    ):
        problems.append(Problem(FIELDS[registry].name, "the name is missing", ("name",)))
    return command, problems


def _code(
    registry: Registry, cells: Mapping[str, str], profile: coa.Profile
) -> tuple[str | None, tuple[str | None, ...], list[Problem]]:
    """The code of a row; a head of account may come as one code or as six heads with their names."""
    if registry is Registry.LEVEL:
        return cells.get("label"), (), []
    if registry is not Registry.COA:
        return cells.get("code"), (), []
    names = tuple(cells.get(f"{tier.name}Name") for tier in coa.TIERS[:-1])
    if "code" in cells or not any(tier.name in cells for tier in coa.TIERS):
        return cells.get("code"), names, []
    heads = [cells.get(tier.name) for tier in coa.TIERS]
    if profile is coa.Profile.OPEN:
        return "-".join(head for head in heads if head), names, []
    code, problems = coa.check_heads(heads, [tier.name for tier in coa.TIERS])
    return code, names, problems


def _attributes(
    registry: Registry, cells: Mapping[str, str], profile: coa.Profile, read: Callable[..., Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {name: cells[name] for name in PLAIN if name in cells}
    if registry is Registry.COA:
        found["profile"] = profile.value
    if registry is Registry.PROGRAM and "type" in cells:
        found["kind"] = SCHEME_SPELLINGS.get(cells["type"], cells["type"])
    if registry is Registry.LOCATION:
        found |= {"type": cells["type"]} if "type" in cells else {}
        found |= {"externalCodes": {"lgd": cells["externalCode"]}} if "externalCode" in cells else {}
    if registry is Registry.DEPARTMENT:
        nodal = read("isNodal", lambda cell: TRUTH[cell.lower()], "true or false")
        found |= {"isNodal": nodal} if nodal is not None else {}
    return found


def _links(registry: Registry, cells: Mapping[str, str]) -> dict[Registry, tuple[str, ...]]:
    links = {
        kind: tuple(dict.fromkeys(part.strip() for part in cells[name].split(SEVERAL) if part.strip()))
        for name, kind in LINKS.items()
        if name in cells
    }
    if registry is Registry.PROGRAM and "department" in cells:
        links[Registry.DEPARTMENT] = (cells["department"],)
    return links
