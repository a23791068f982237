"""Search criteria: which are acceptable, and what they mean in SQL."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select

from hub.codes import Code
from hub.domain.reference import coa
from hub.domain.reference.model import CODES_MAX, DEPTH_MAX, PATH_SEPARATOR, PREFIXES, Criteria, Registry
from hub.domain.reference.resolving import storable
from hub.domain.reference.rules import FIELDS, LINK_CODES
from hub.domain.reference.tables import entry, link, slice_, version
from hub.errors import InvalidInput, Problem
from hub.kit.ids import uuid_of

CODE_LENGTH_MAX = 64
ID_LENGTH_MAX = 64
TEXT_LENGTH_MAX = 256


def check_criteria(registry: Registry, criteria: Criteria) -> None:
    """Raise InvalidInput with everything wrong with a search."""
    problems = [
        *_check_counts(criteria),
        *_check_names(registry, criteria),
        *_check_codes(registry, criteria),
        *_check_heads(criteria),
        *_check_links(criteria),
    ]
    if problems:
        raise InvalidInput([problem.under("filter") for problem in problems])


def _check_counts(criteria: Criteria) -> list[Problem]:
    return [
        Problem(Code.CRITERIA_LIMIT, f"at most {CODES_MAX} {where}, not {len(given)}", (where,))
        for where, given in (("ids", criteria.ids or ()), ("codes", criteria.codes or ()))
        if len(given) > CODES_MAX
    ]


def _check_names(registry: Registry, criteria: Criteria) -> list[Problem]:
    fields = FIELDS[registry]
    problems = []
    least, most = fields.name_length
    if criteria.name is not None and not least <= len(criteria.name) <= most:
        problems.append(Problem(fields.name, f"a name has {least} to {most} characters", ("name",)))
    for where, given in (("namePrefix", criteria.name_prefix), ("text", criteria.text)):
        if given is not None and not 1 <= len(given) <= TEXT_LENGTH_MAX:
            problems.append(Problem(fields.name, f"1 to {TEXT_LENGTH_MAX} characters", (where,)))
    return problems


def _check_codes(registry: Registry, criteria: Criteria) -> list[Problem]:
    if registry is Registry.COA:
        code, least, most = Code.COA_CODE_LENGTH, 1, CODE_LENGTH_MAX
    else:
        code, (least, most) = FIELDS[registry].code, FIELDS[registry].code_length
    return [
        Problem(code, f"a code has {least} to {most} characters", ("codes", position))
        for position, given in enumerate(criteria.codes or ())
        if not least <= len(given) <= most
    ]


def _check_heads(criteria: Criteria) -> list[Problem]:
    """Heads have their tiers' digits, unless free-form heads are searched for."""
    is_open = criteria.attributes.get("profile") == coa.Profile.OPEN.value
    return [
        Problem(tier.length, tier.length.summary, (tier.name,))
        for tier, head in zip(coa.TIERS, criteria.heads, strict=False)
        if head is not None and not (len(head) in coa.SEGMENT_LENGTH if is_open else len(head) == tier.digits)
    ]


def _check_links(criteria: Criteria) -> list[Problem]:
    singular = {
        Registry.ADMIN: "administrativeNode",
        Registry.LOCATION: "location",
        Registry.PROGRAM: "program",
    }
    return [
        Problem(LINK_CODES[kind][0], f"1 to {ID_LENGTH_MAX} characters", (singular.get(kind, kind.lower()),))
        for kind, given in criteria.links.items()
        if not 1 <= len(given) <= ID_LENGTH_MAX
    ]


def conditions(
    tenant_id: uuid.UUID, registry: Registry, criteria: Criteria, holds: ColumnElement[bool], above: Any
) -> list[ColumnElement[bool]]:
    """What the criteria ask of an entry's rows. ``above`` is a second slice table, ``holds`` its moment."""
    given = [
        *_by_name(criteria),
        *_by_code(registry, criteria),
        *_by_place(tenant_id, registry, criteria, holds, above),
        *_by_links(tenant_id, registry, criteria),
    ]
    if criteria.level is not None and not 0 <= criteria.level <= DEPTH_MAX:
        given.append(false())
    elif criteria.level is not None:
        given.append((slice_.c.depth if registry is Registry.LEVEL else version.c.level) == criteria.level)
    if criteria.status is not None:
        given.append(version.c.status == criteria.status.value)
    if criteria.attributes:
        given.append(version.c.attributes.contains(dict(criteria.attributes)))
    return given


def _by_name(criteria: Criteria) -> list[ColumnElement[bool]]:
    given: list[ColumnElement[bool]] = []
    for text in (criteria.name, criteria.name_prefix, criteria.text):
        if text is not None and not storable(text):
            return [false()]
    if criteria.label is not None:
        given.append(entry.c.code == (criteria.label if storable(criteria.label) else ""))
    if criteria.name is not None:
        given.append(func.lower(version.c.name) == func.lower(criteria.name))
    if criteria.name_prefix is not None:
        given.append(version.c.name.istartswith(criteria.name_prefix, autoescape=True))
    if criteria.text is not None:
        translation = func.jsonb_each_text(version.c.names).table_valued("key", "value").alias("translation")
        given.append(
            or_(
                version.c.name.icontains(criteria.text, autoescape=True),
                entry.c.code.icontains(criteria.text, autoescape=True),
                exists(
                    select(1)
                    .select_from(translation)
                    .where(translation.c.value.icontains(criteria.text, autoescape=True))
                ),
            )
        )
    return given


def _by_code(registry: Registry, criteria: Criteria) -> list[ColumnElement[bool]]:
    given: list[ColumnElement[bool]] = []
    if criteria.ids is not None:
        given.append(entry.c.id.in_(criteria.ids))
    if criteria.codes is not None:
        codes = [code for code in criteria.codes if storable(code)]
        if registry is Registry.COA:
            codes = [spelling for code in codes for spelling in coa.spellings(code)]
        given.append(entry.c.code.in_(codes))
    for position, head in enumerate(criteria.heads, start=1):
        if head is not None:
            given.append(func.split_part(entry.c.code, "-", position) == (head if storable(head) else ""))
    return given


def named(tenant_id: uuid.UUID, registry: Registry, text: str, scope: str | None = None) -> Any:
    """The ids of the entries of a registry that a code, a path or a public id means."""
    entry_id = uuid_of(PREFIXES[registry], text)
    other = entry.alias()
    query = select(other.c.id).where(other.c.tenant_id == tenant_id, other.c.registry == registry.value)
    if entry_id is not None:
        return query.where(other.c.id == entry_id)
    codes = coa.spellings(text) if registry is Registry.COA else [text.rpartition(PATH_SEPARATOR)[2]]
    query = query.where(other.c.code.in_([code for code in codes if storable(code)]))
    return query.where(other.c.scope == scope) if scope is not None and registry in _SCOPED else query


_SCOPED = frozenset({Registry.LEVEL, Registry.ADMIN})


def _by_place(
    tenant_id: uuid.UUID, registry: Registry, criteria: Criteria, holds: ColumnElement[bool], above: Any
) -> list[ColumnElement[bool]]:
    given: list[ColumnElement[bool]] = []
    scope = criteria.department
    if criteria.parent is not None:
        given.append(slice_.c.parent_id.in_(named(tenant_id, registry, criteria.parent, scope)))
    if criteria.roots:
        given.append(slice_.c.parent_id.is_(None))
    if criteria.under is not None:
        given.append(
            exists(
                select(1).where(
                    above.c.tenant_id == tenant_id,
                    above.c.entry_id.in_(named(tenant_id, registry, criteria.under, scope)),
                    holds,
                    func.starts_with(slice_.c.path, above.c.path + PATH_SEPARATOR),
                    *([entry.c.scope == _scope_of(above)] if registry in _SCOPED else []),
                )
            )
        )
    return given


def _scope_of(above: Any) -> Any:
    other = entry.alias()
    return (
        select(other.c.scope)
        .where(other.c.tenant_id == above.c.tenant_id, other.c.id == above.c.entry_id)
        .scalar_subquery()
    )


def _linked(tenant_id: uuid.UUID, kind: Registry, targets: Any) -> ColumnElement[bool]:
    return exists(
        select(1).where(
            link.c.tenant_id == tenant_id,
            link.c.version_id == version.c.id,
            link.c.kind == kind.value,
            link.c.target_id.in_(targets),
        )
    )


def _by_links(tenant_id: uuid.UUID, registry: Registry, criteria: Criteria) -> list[ColumnElement[bool]]:
    given = [_linked(tenant_id, kind, named(tenant_id, kind, text)) for kind, text in criteria.links.items()]
    department = criteria.department
    if department is None:
        return given
    codes = named(tenant_id, Registry.DEPARTMENT, department)
    if registry in _SCOPED:
        other = entry.alias()
        given.append(
            entry.c.scope.in_(
                select(other.c.code).where(other.c.tenant_id == tenant_id, other.c.id.in_(codes))
            )
        )
    else:
        owner, node = entry.alias(), entry.alias()
        nodes = (
            select(node.c.id)
            .join(owner, and_(owner.c.tenant_id == node.c.tenant_id, owner.c.code == node.c.scope))
            .where(
                node.c.tenant_id == tenant_id, node.c.registry == Registry.ADMIN.value, owner.c.id.in_(codes)
            )
        )
        given.append(
            or_(_linked(tenant_id, Registry.DEPARTMENT, codes), _linked(tenant_id, Registry.ADMIN, nodes))
        )
    return given
