"""Bulk loading: rows to commands, every bad row told, all in one transaction and a handful of statements."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import orjson
from sqlalchemy import text

from hub.codes import Code
from hub.db import Transaction
from hub.domain.reference import access, coa, columns, planning, service, store
from hub.domain.reference.model import CSV_BYTES_MAX, ROWS_MAX, Registry, SaveEntry
from hub.domain.reference.planning import Found
from hub.domain.registry import Caller, once
from hub.errors import InvalidInput, Problem
from hub.kit.ids import new_id

ROUNDS_MAX = 64
THREAD_FROM = 500


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a row cannot be taken; ``row`` counts as spreadsheets do, the header being row 1."""

    row: int
    column: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do. With bad rows and without ``skip_bad_rows`` nothing is written."""

    rows: int
    created: int
    changed: int
    unchanged: int
    is_written: bool
    bad_rows: tuple[BadRow, ...]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import: only look, leave bad rows out, bring missing ancestors of heads along, which heads."""

    dry_run: bool = False
    skip_bad_rows: bool = False
    create_missing_ancestors: bool = True
    profile: coa.Profile = coa.Profile.STRICT


async def import_csv(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    registry: Registry,
    content: str,
    *,
    options: ImportOptions,
    idempotency_key: str | None = None,
) -> ImportReport:
    """Create and change entries from CSV text with a header; the same key and content answer the same report.

    Refuses what is not CSV, unknown columns, and more than 50,000 rows or 10 MiB; everything else that is wrong
    is told row by row in the report.
    """
    access.require_write(caller, tenant_id)
    if not options.dry_run:
        await service.require_no_approval(tx, caller, tenant_id)
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
    import_id = new_id()
    if idempotency_key is not None:
        asked = orjson.dumps([str(tenant_id), registry.value, digest.hex(), asdict(options)])
        earlier = await once(
            tx, caller, idempotency_key, "reference.import", hashlib.sha256(asked).digest(), import_id
        )
        if earlier is not None:
            return await _recall(tx, tenant_id, earlier)
    rows = await asyncio.to_thread(read_csv, content, registry)
    report = await import_rows(tx, caller, tenant_id, registry, rows, options=options)
    await tx.execute(
        text(
            "INSERT INTO reference_import VALUES (:tenant, :id, :registry, :sha256, CAST(:report AS jsonb), :at, :by)"
        ),
        {
            "tenant": tenant_id,
            "id": import_id,
            "registry": registry.value,
            "sha256": digest,
            "report": orjson.dumps(asdict(report)).decode().replace("\\u0000", ""),
            "at": tx.now,
            "by": access.name_of(caller),
        },
    )
    return report


async def _recall(tx: Transaction, tenant_id: uuid.UUID, import_id: uuid.UUID) -> ImportReport:
    """The report of an earlier import."""
    written = await tx.scalar(
        text("SELECT CAST(report AS text) FROM reference_import WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": import_id},
    )
    report = orjson.loads(written)
    return ImportReport(**{**report, "bad_rows": tuple(BadRow(**bad) for bad in report["bad_rows"])})


def read_csv(content: str, registry: Registry) -> list[Mapping[str, str]]:
    """The rows of a CSV text by column; refused when it is not CSV with the registry's columns."""
    if len(content) > CSV_BYTES_MAX or len(content.encode("utf-8", "surrogatepass")) > CSV_BYTES_MAX:
        raise InvalidInput.because(Code.ROW_LIMIT, Code.ROW_LIMIT.summary, "csv")
    reader = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [columns.spelling(cell) for cell in next(reader, [])]
        _check_header(header, registry)
        rows: list[Mapping[str, str]] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                cells = []  # noqa: PLW2901 - an empty line keeps its number and says nothing
            rows.append(_row(header, cells))
            if len(rows) > ROWS_MAX:
                raise InvalidInput.because(Code.ROW_LIMIT, Code.ROW_LIMIT.summary, "csv")
    except csv.Error as reason:
        words = f"line {reader.line_num}: {reason}"
        raise InvalidInput.because(Code.CSV_UNREADABLE, words, "csv") from reason
    return rows


def _row(header: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    if cells and len(cells) != len(header):
        return {columns.WRONG_WIDTH: f"the header has {len(header)} columns, this row {len(cells)}"}
    return dict(zip(header, cells, strict=False))


def _check_header(header: Sequence[str], registry: Registry) -> None:
    known = columns.KNOWN[registry]
    unknown = [cell for cell in header if cell not in known and not columns.is_translation(cell)]
    missing = [cell for cell in columns.REQUIRED[registry] if cell not in header]
    if registry is Registry.COA and all(tier.name in header for tier in coa.TIERS):
        missing = []
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    for words, cells in (("unknown", unknown), ("missing", missing), ("repeated", repeated)):
        if cells:
            message = f"{words} columns: {', '.join(cells)}; known are {', '.join(sorted(known))} and name:<language>"
            raise InvalidInput.because(Code.CSV_UNREADABLE, message, "csv")


async def import_rows(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    registry: Registry,
    rows: Sequence[Mapping[str, str]],
    *,
    options: ImportOptions,
) -> ImportReport:
    """Create what is new, give a new version to what differs, leave the rest; rows come in any order.

    All or nothing, unless bad rows are to be skipped; then what depends on a bad row is bad as well.
    """
    access.require_write(caller, tenant_id)
    if len(rows) > ROWS_MAX:
        raise InvalidInput.because(Code.ROW_LIMIT, Code.ROW_LIMIT.summary, "csv")
    await store.lock(tx, tenant_id)
    commands, bad = _commands(registry, rows, options)
    commands, problems = await planning.prepare(tx, tenant_id, registry, commands)
    commands, repeated, same = _without_repeats(commands, {number for number, _ in problems}, problems)
    bad += [_bad(command, problem) for command, problem in repeated]
    if bad and not options.skip_bad_rows:
        later = await _plan_once(tx, tenant_id, registry, commands)
        return _report(rows, None, bad + later, same, is_written=False)
    forest, around = await planning.gather(tx, tenant_id, registry, planning.with_ancestors(commands))
    for _ in range(ROUNDS_MAX):
        working = forest.copy()
        whole = planning.with_ancestors(commands)
        outcome, problems = await _plan(working, around, whole)
        if not problems:
            if not options.dry_run:
                await planning.carry_out(tx, tenant_id, working, outcome, access.name_of(caller))
            return _report(rows, outcome, bad, same, is_written=not options.dry_run)
        bad += [_bad(whole[number], problem) for number, problem in problems]
        if not options.skip_bad_rows:
            break
        wrong = {whole[number].row for number, _ in problems}
        commands = [command for command in commands if command.row not in wrong]
    return _report(rows, None, bad, same, is_written=False)


async def _plan_once(
    tx: Transaction, tenant_id: uuid.UUID, registry: Registry, commands: Sequence[SaveEntry]
) -> list[BadRow]:
    """What else is wrong with the rows that look well by themselves, so that one run tells everything."""
    whole = planning.with_ancestors(commands)
    forest, around = await planning.gather(tx, tenant_id, registry, whole)
    _, problems = await _plan(forest, around, whole)
    return [_bad(whole[number], problem) for number, problem in problems]


async def _plan(forest: Any, around: Any, commands: Sequence[SaveEntry]) -> Any:
    """Planning is pure; many rows are planned in a thread, so that the process keeps answering others."""
    if len(commands) < THREAD_FROM:
        return planning.plan(forest, around, commands)
    return await asyncio.to_thread(planning.plan, forest, around, commands)


def _commands(
    registry: Registry, rows: Sequence[Mapping[str, str]], options: ImportOptions
) -> tuple[list[SaveEntry], list[BadRow]]:
    commands: list[SaveEntry] = []
    bad: list[BadRow] = []
    for number, row in enumerate(rows, start=2):
        if not any(row.values()):
            continue
        command, problems = columns.read_row(registry, row, profile=options.profile)
        if problems:
            bad += [BadRow(number, _column(p), p.code.value, p.message) for p in problems]
        else:
            commands.append(
                replace(
                    command, row=(number,), create_ancestors=options.create_missing_ancestors, upsert=True
                )
            )
    return commands, bad


def _without_repeats(
    commands: Sequence[SaveEntry], wrong: set[int], problems: Iterable[Found]
) -> tuple[list[SaveEntry], list[tuple[SaveEntry, Problem]], int]:
    """Good commands once each: the same row twice is harmless, one code with two meanings is not."""
    bad = [(commands[number], problem) for number, problem in problems]
    seen: dict[tuple[str, str | None, date | None], SaveEntry] = {}
    same = 0
    for number, command in enumerate(commands):
        if number in wrong:
            continue
        key = (command.scope, command.code, command.valid_from)
        first = seen.setdefault(key, command)
        if first is command:
            continue
        if replace(command, row=first.row) == first:
            same += 1
        else:
            words = f"row {first.row[0]} says something else about {command.code}"
            bad.append((command, Problem(Code.CODE_EXISTS, words, ("code",))))
    return list(seen.values()), bad, same


def _bad(command: SaveEntry, problem: Problem) -> BadRow:
    return BadRow(int(command.row[0]), _column(problem), problem.code.value, problem.message)


def _column(problem: Problem) -> str | None:
    return str(problem.path[0]) if problem.path else None


def _report(
    rows: Sequence[Mapping[str, str]], outcome: Any, bad: Sequence[BadRow], same: int, *, is_written: bool
) -> ImportReport:
    ordered = tuple(dict.fromkeys(sorted(bad, key=lambda one: (one.row, one.column or "", one.code))))
    if outcome is None:
        return ImportReport(len(rows), 0, 0, 0, is_written, ordered)
    return ImportReport(
        len(rows), outcome.created, outcome.changed, outcome.unchanged + same, is_written, ordered
    )
