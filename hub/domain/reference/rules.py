"""What each registry asks of codes, names, dates and attributes: pure checks, every problem at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import orjson

from hub.codes import Code
from hub.domain.reference import coa
from hub.domain.reference.model import (
    ATTRIBUTES_BYTES_MAX,
    KEEP,
    LANGUAGE_LENGTH,
    LINKS_MAX,
    NAME_LENGTH,
    PATH_SEPARATOR,
    SCOPED,
    YEARS,
    Keep,
    Lifecycle,
    Registry,
    SaveEntry,
)
from hub.errors import Problem


@dataclass(frozen=True, slots=True)
class Fields:
    """Lengths and codes of one registry."""

    code: Code
    code_length: tuple[int, int]
    name: Code
    name_length: tuple[int, int]
    parent: Code
    exists: Code
    unknown: Code = Code.INVALID_ID
    name_path: str = "name"


FIELDS: Mapping[Registry, Fields] = {
    Registry.LOCATION: Fields(
        Code.CODE, (1, 64), Code.NAME, (1, 256), Code.INVALID_PARENT_ID, Code.CODE_EXISTS
    ),
    Registry.DEPARTMENT: Fields(
        Code.DEPARTMENT_CODE,
        (1, 64),
        Code.DEPARTMENT_NAME,
        (2, 256),
        Code.DEPARTMENT_PARENT,
        Code.CODE_EXISTS,
    ),
    Registry.LEVEL: Fields(
        Code.DEPARTMENT_LABEL,
        (1, 64),
        Code.DEPARTMENT_LABEL,
        (1, 64),
        Code.INVALID_PARENT_ID,
        Code.DEPARTMENT_LABEL,
    ),
    Registry.ADMIN: Fields(
        Code.DEPARTMENT_ENTITY_CODE,
        (1, 256),
        Code.DEPARTMENT_ENTITY_NAME,
        (1, 256),
        Code.INVALID_PARENT_ID,
        Code.CODE_EXISTS,
        Code.INVALID_DEPARTMENT_ENTITY_ID,
    ),
    Registry.COA: Fields(
        Code.COA_CODE, (1, 64), Code.NAME, (1, 256), Code.COA_PARENT_MISSING, Code.DUPLICATE_COA_CODE
    ),
    Registry.PROGRAM: Fields(
        Code.EXPENDITURE_CODE,
        (2, 64),
        Code.EXPENDITURE_NAME,
        (2, 256),
        Code.INVALID_PARENT_ID,
        Code.CODE_EXISTS,
    ),
    Registry.PROJECT: Fields(
        Code.PROJECT_CODE, (1, 64), Code.PROJECT_NAME, (2, 256), Code.INVALID_PARENT_ID, Code.CODE_EXISTS
    ),
}
LINK_CODES: Mapping[Registry, tuple[Code, str]] = {
    Registry.ADMIN: (Code.DEPARTMENT_ENTITY_ID, "administrativeNodes"),
    Registry.LOCATION: (Code.LOCATION_ID, "locations"),
    Registry.PROGRAM: (Code.EXPENDITURE_ID, "programs"),
    Registry.DEPARTMENT: (Code.DEPARTMENT_ID, "department"),
    Registry.COA: (Code.COA_CODE_INVALID, "chartOfAccounts"),
}
LIFECYCLES = tuple(Lifecycle)
SPONSORSHIPS = ("CENTRAL", "CENTRALLY_SPONSORED", "STATE")
SCHEME_SPELLINGS = {
    "Scheme": "SCHEME",
    "SCHEME": "SCHEME",
    "Non-Scheme": "NON_SCHEME",
    "NON_SCHEME": "NON_SCHEME",
    "NON-SCHEME": "NON_SCHEME",
}
NAME_LANGUAGES_MAX = 30


def check(command: SaveEntry) -> tuple[SaveEntry, list[Problem]]:
    """The command in its normal spelling, and everything wrong with it that can be told without the database."""
    command = _tidy(command)
    problems: list[Problem] = []
    if command.registry is Registry.COA:
        command, problems = _check_head(command)
    problems += [
        *([] if problems else _check_code(command)),
        *_check_name(command),
        *_check_names(command),
        *_check_days(command.valid_from, command.valid_to),
        *_check_attributes(command),
        *_check_links(command),
        *_check_children(command),
        *_check_references(command),
    ]
    return command, problems


def _check_references(command: SaveEntry) -> list[Problem]:
    """What names other entries must at least be text the database can look for."""
    named = [
        (
            FIELDS[command.registry].parent,
            "parentCode",
            command.parent if isinstance(command.parent, str) else "",
        ),
        (Code.INVALID_DEPARTMENT_ID, "department", command.scope),
    ]
    if isinstance(command.children, tuple):
        named += [(Code.DEPARTMENT_CHILDREN, "children", child) for child, _ in command.children]
    return [
        Problem(code, f"{where} holds characters that cannot be printed", (where,))
        for code, where, value in named
        if not is_plain(value)
    ]


def check_alone(command: SaveEntry) -> list[Problem]:
    """Everything wrong with a command of which not even the government is known."""
    tidy, problems = check(command)
    if needs_scope(command.registry) and command.entry_id is None and not tidy.scope:
        problems.append(Problem(Code.DEPARTMENT_ID, "the department is missing", ("department",)))
    return problems


def _check_head(command: SaveEntry) -> tuple[SaveEntry, list[Problem]]:
    """A head's code from its six heads or in its normal spelling, with what the code says about it."""
    problems: list[Problem] = []
    code, profile = command.code, coa.Profile(command.attributes.get("profile", coa.Profile.STRICT.value))
    if code is None and any(command.heads):
        if profile is coa.Profile.OPEN:
            code = "-".join(head.strip() for head in command.heads if head)
        else:
            code, problems = coa.check_heads(command.heads, [tier.name for tier in coa.TIERS])
    if not code:
        return command, problems + _check_tier_names(command)
    code, found = coa.check_code(code, profile)
    above = coa.ancestors(code)
    settled = replace(
        command,
        code=code,
        heads=(),
        parent=above[-1] if above else None,
        attributes={**command.attributes, **coa.attributes(code, profile)},
    )
    return settled, problems + found + _check_tier_names(command)


def _check_tier_names(command: SaveEntry) -> list[Problem]:
    is_open = command.attributes.get("profile") == coa.Profile.OPEN.value
    least, most = (1, 256) if is_open else (2, 64)
    return [
        Problem(
            tier.naming, f"the name has {least} to {most} characters, not {len(name)}", (f"{tier.name}Name",)
        )
        for tier, name in zip(coa.TIERS, command.ancestor_names, strict=False)
        if name is not None and not (least <= len(name) <= most and is_plain(name))
    ]


def _check_children(command: SaveEntry) -> list[Problem]:
    """A new node says which nodes stand below it (maybe none); a change of them says the node's own level."""
    if command.registry is not Registry.ADMIN:
        return []
    if isinstance(command.children, Keep):
        is_new = command.entry_id is None and command.expected_version is None
        words = "a new node names its children; an empty list for none"
        return [Problem(Code.DEPARTMENT_CHILDREN, words, ("children",))] if is_new else []
    if command.children and isinstance(command.level, Keep):
        return [
            Problem(Code.DEPARTMENT_HIERARCHY_ID, Code.DEPARTMENT_HIERARCHY_ID.summary, ("hierarchyLevel",))
        ]
    return []


def _tidy(command: SaveEntry) -> SaveEntry:
    """Texts in NFC without outer blanks; an empty parent is none."""
    name, parent = command.name, command.parent
    return replace(
        command,
        code=_text(command.code) if command.code is not None else None,
        scope=_text(command.scope),
        name=_text(name) if isinstance(name, str) else name,
        parent=(_text(parent) or None) if isinstance(parent, str) else parent,
    )


def _text(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip()


def is_plain(value: str) -> bool:
    """Storable, printable text: no control characters, no lone surrogates."""
    return value.isprintable()


def _check_code(command: SaveEntry) -> list[Problem]:
    fields = FIELDS[command.registry]
    where = "label" if command.registry is Registry.LEVEL else "code"
    if command.code is None and command.entry_id is not None:
        return []
    if not command.code and command.expected_version is not None:
        return [Problem(Code.ID, Code.ID.summary, ("id",))]
    code = command.code or ""
    least, most = fields.code_length
    if not least <= len(code) <= most:
        return [
            Problem(fields.code, f"the {where} has {least} to {most} characters, not {len(code)}", (where,))
        ]
    if not is_plain(code) or PATH_SEPARATOR in code:
        return [
            Problem(fields.code, f"the {where} holds a slash or characters that cannot be printed", (where,))
        ]
    return []


def _check_name(command: SaveEntry) -> list[Problem]:
    fields = FIELDS[command.registry]
    if isinstance(command.name, Keep):
        may_keep = command.entry_id is not None or command.expected_version is not None or command.upsert
        if may_keep or command.registry in (Registry.LEVEL, Registry.COA):
            return []
        return [Problem(fields.name, "the name is missing", (fields.name_path,))]
    code, (least, most), where = fields.name, fields.name_length, fields.name_path
    if command.registry is Registry.COA and command.attributes.get("profile") == coa.Profile.STRICT.value:
        tiers = (command.code or "").count("-")
        if tiers < len(coa.TIERS):
            code, (least, most) = coa.TIERS[tiers].naming, (2, 64)
    if command.registry is Registry.LEVEL and not command.name:
        return []
    name = command.name or ""
    if not least <= len(name) <= most:
        return [Problem(code, f"the name has {least} to {most} characters, not {len(name)}", (where,))]
    return (
        []
        if is_plain(name)
        else [Problem(code, "the name holds characters that cannot be printed", (where,))]
    )


def _check_names(command: SaveEntry) -> list[Problem]:
    if isinstance(command.names, Keep):
        return []
    wrong = len(command.names) > NAME_LANGUAGES_MAX or any(
        not (len(tag) in LANGUAGE_LENGTH and tag.isascii() and tag.replace("-", "").isalnum())
        or len(name) not in NAME_LENGTH
        or not is_plain(name)
        for tag, name in command.names.items()
    )
    words = "translations: a language tag each (pa, hi-IN), 1 to 256 printable characters"
    return [Problem(FIELDS[command.registry].name, words, ("names",))] if wrong else []


def _check_days(start: date | None, end: date | Keep | None) -> list[Problem]:
    given = [("validFrom", start), ("validTo", end if isinstance(end, date) else None)]
    problems = [
        Problem(Code.VALIDITY_DATE, Code.VALIDITY_DATE.summary, (where,))
        for where, day in given
        if day is not None and day.year not in YEARS
    ]
    if start is not None and isinstance(end, date) and end <= start:
        problems.append(
            Problem(Code.VALIDITY_ORDER, "validTo is the first day after; it must be later", ("validTo",))
        )
    return problems


def _check_links(command: SaveEntry) -> list[Problem]:
    return [
        Problem(LINK_CODES[kind][0], f"at most {LINKS_MAX} links of one kind", (LINK_CODES[kind][1],))
        for kind, targets in command.links.items()
        if len(targets) > LINKS_MAX
    ]


def _check_attributes(command: SaveEntry) -> list[Problem]:
    attributes = command.attributes
    problems = []
    if not _is_storable(attributes):
        problems.append(
            Problem(Code.ATTRIBUTES_SIZE, "attributes are printable JSON of at most 16 KiB", ("attributes",))
        )
    if command.registry is Registry.COA:
        kind = attributes.get("majorHeadType")
        if kind is not None and not (isinstance(kind, str) and len(kind) in coa.TYPE_LENGTH):
            problems.append(Problem(Code.MAJOR_HEAD_TYPE, Code.MAJOR_HEAD_TYPE.summary, ("majorHeadType",)))
    if command.registry is Registry.PROGRAM:
        problems += _check_program(command)
    if command.registry is Registry.PROJECT and attributes.get("lifecycle", LIFECYCLES[0]) not in LIFECYCLES:
        problems.append(Problem(Code.INPUT, f"lifecycle is one of {', '.join(LIFECYCLES)}", ("lifecycle",)))
    return problems


def _check_program(command: SaveEntry) -> list[Problem]:
    problems = []
    kind = command.attributes.get("kind")
    is_change = command.entry_id is not None or command.expected_version is not None or command.upsert
    if kind not in SCHEME_SPELLINGS.values() and not (is_change and "kind" not in command.attributes):
        problems.append(Problem(Code.EXPENDITURE_TYPE, Code.EXPENDITURE_TYPE.summary, ("type",)))
    sponsorship = command.attributes.get("sponsorship")
    if sponsorship is not None and sponsorship not in SPONSORSHIPS:
        problems.append(
            Problem(Code.INPUT, f"sponsorship is one of {', '.join(SPONSORSHIPS)}", ("sponsorship",))
        )
    return problems


def _is_storable(value: Mapping[str, Any]) -> bool:
    try:
        written = orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return len(written) <= ATTRIBUTES_BYTES_MAX and b"\\u0000" not in written


def needs_scope(registry: Registry) -> bool:
    """Whether codes of this registry are unique within a department rather than a government."""
    return registry in SCOPED


__all__ = ["FIELDS", "KEEP", "LINK_CODES", "SCHEME_SPELLINGS", "Fields", "check", "is_plain", "needs_scope"]
