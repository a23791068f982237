"""Gathering what a plan needs from the database, and carrying a plan out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from hub.codes import Code
from hub.db import Transaction
from hub.domain.reference import coa, rules, store
from hub.domain.reference.forest import Forest, Outcome, Surroundings
from hub.domain.reference.model import KEEP, PATH_SEPARATOR, PREFIXES, Registry, SaveEntry
from hub.domain.reference.plan import Found, plan
from hub.errors import Problem
from hub.kit.ids import parse_public_id, uuid_of

REGISTRY_OF_PREFIX = {prefix: registry for registry, prefix in PREFIXES.items()}


async def prepare(
    tx: Transaction, tenant_id: uuid.UUID, registry: Registry, commands: Sequence[SaveEntry]
) -> tuple[list[SaveEntry], list[Found]]:
    """Commands in their normal spelling with their department filled in, and what is wrong with them so far."""
    checked: list[SaveEntry] = []
    problems: list[Found] = []
    for number, command in enumerate(commands):
        tidy, found = rules.check(command)
        checked.append(tidy)
        problems += [(number, problem) for problem in found]
    if not rules.needs_scope(registry) or any(problem.path[:1] == ("department",) for _, problem in problems):
        return checked, problems
    ids = [command.entry_id for command in checked if command.entry_id is not None]
    known = await store.identify(tx, tenant_id, registry, ids=ids) if ids else {}
    checked = [
        replace(command, scope=known[command.entry_id][0]) if command.entry_id in known else command
        for command in checked
    ]
    departments = await store.existing_departments(tx, tenant_id, {command.scope for command in checked})
    for number, command in enumerate(checked):
        if command.entry_id is not None and command.entry_id not in known:
            continue
        if not command.scope:
            problems.append(
                (number, Problem(Code.DEPARTMENT_ID, "the department is missing", ("department",)))
            )
        elif command.scope not in departments:
            words = f"there is no department {command.scope}"
            problems.append((number, Problem(Code.INVALID_DEPARTMENT_ID, words, ("department",))))
    return checked, problems


async def gather(
    tx: Transaction, tenant_id: uuid.UUID, registry: Registry, commands: Sequence[SaveEntry]
) -> tuple[Forest, Surroundings]:
    """The part of the tree the commands can touch, and what else decides about them."""
    prefix = PREFIXES[registry]
    named = [command.parent for command in commands if isinstance(command.parent, str)]
    parent_ids = [entry_id for text in named if (entry_id := uuid_of(prefix, text)) is not None]
    scopes = {command.scope for command in commands if command.scope}
    codes = {command.code for command in commands if command.code}
    codes |= {
        code for command in commands if isinstance(command.children, tuple) for code, _ in command.children
    }
    wanted = store.Wanted(
        codes=codes,
        ids=[command.entry_id for command in commands if command.entry_id is not None],
        parents={text.rpartition(PATH_SEPARATOR)[2] for text in named} - codes,
        parent_ids=parent_ids,
        scopes=scopes if registry is Registry.LEVEL else (),
    )
    forest = await store.load(tx, tenant_id, registry, wanted)
    policy = await store.load_policy(tx, tenant_id)
    is_admin = registry is Registry.ADMIN
    return forest, Surroundings(
        today=tx.now.date(),
        depth_max=policy.hierarchy_depth_max,
        levels=await store.level_places(tx, tenant_id, scopes) if is_admin else {},
        roots=await store.admin_roots(tx, tenant_id, scopes) if is_admin else {},
        targets=await _targets(tx, tenant_id, commands),
    )


async def _targets(
    tx: Transaction, tenant_id: uuid.UUID, commands: Iterable[SaveEntry]
) -> dict[tuple[Registry, str], uuid.UUID]:
    """What the links of the commands name, where it is exactly one entry."""
    wanted = {(kind, text) for command in commands for kind, texts in command.links.items() for text in texts}
    if not wanted:
        return {}
    by_id = {text: parsed for _, text in wanted if (parsed := parse_public_id(text)) is not None}
    storable = [(kind, text) for kind, text in wanted if text not in by_id and rules.is_plain(text)]
    found = await store.find_targets(tx, tenant_id, storable, [entry_id for _, entry_id in by_id.values()])
    targets = {key: next(iter(ids)) for key, ids in found.items() if len(ids) == 1}
    for kind, text in wanted:
        prefix, entry_id = by_id.get(text, ("", None))
        if (
            entry_id is not None
            and REGISTRY_OF_PREFIX.get(prefix) is kind
            and (kind, str(entry_id)) in targets
        ):
            targets[(kind, text)] = entry_id
    return targets


def with_ancestors(commands: Sequence[SaveEntry]) -> list[SaveEntry]:
    """The commands, and behind them one for every head above a head that may bring its ancestors along."""
    named = {command.code for command in commands}
    implied: dict[str, SaveEntry] = {}
    for command in commands:
        if not (command.create_ancestors and command.registry is Registry.COA and command.code):
            continue
        profile = coa.Profile(str(command.attributes.get("profile", coa.Profile.STRICT.value)))
        for depth, code in enumerate(coa.ancestors(command.code)):
            if code in named or code in implied:
                continue
            given = command.ancestor_names[depth] if depth < len(command.ancestor_names) else None
            implied[code] = SaveEntry(
                Registry.COA,
                code=code,
                name=given or KEEP,
                parent="-".join(code.split("-")[:-1]) or None,
                attributes=coa.attributes(code, profile),
                implied=True,
                row=command.row,
            )
    return [*commands, *implied.values()]


async def carry_out(tx: Transaction, tenant_id: uuid.UUID, forest: Forest, outcome: Outcome, by: str) -> None:
    """Write a plan without problems; what is written later is never recorded earlier."""
    known = [node.recorded_at for node in forest.nodes.values() if node.recorded_at is not None]
    at: datetime = max([tx.now, *known])
    await store.save(tx, tenant_id, forest.registry, outcome, at=at, by=by)


__all__ = ["Found", "carry_out", "gather", "plan", "prepare", "with_ancestors"]
