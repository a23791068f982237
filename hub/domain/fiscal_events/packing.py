"""From a checked draft to everything it stores: normalised codes, pinned versions, the hub's receipt. Pure."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

from hub.domain.fiscal_events import checks, rules
from hub.domain.fiscal_events.content import read_amount, tag_members
from hub.domain.fiscal_events.drafts import Draft, classification_of
from hub.domain.fiscal_events.facts import Facts
from hub.domain.fiscal_events.model import (
    Line,
    LineDraft,
    Package,
    Posting,
    Receiver,
    Signature,
    StoredReceipt,
)
from hub.domain.fiscal_events.vocabulary import check_types
from hub.domain.reference import Registry, Resolved
from hub.errors import Problem
from hub.kit.ids import new_id
from hub.means import Means
from hub.signing import Purpose, Receipt, seal

WARNINGS_MAX = 100
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


def pack(item: Draft, facts: Facts, means: Means) -> Package:
    """Everything this posting stores; the draft has no problems left."""
    assert item.digest is not None
    lines = tuple(_line(item, facts, line) for line in item.content.lines)
    posting = _posting(item, facts, lines)
    return Package(
        posting=posting,
        lines=lines,
        receivers=tuple(
            Receiver(item.id, ordinal, facts.systems[name].id, facts.systems[name].agency_id, name)
            for ordinal, name in enumerate(sorted(set(item.content.receivers)), 1)
        ),
        links=tuple(
            (link, facts.systems[link.system].id if link.system else None) for link in item.content.links
        ),
        attachments=item.content.attachments,
        origin=_origin(item, facts),
        receipt=_receipt(item, facts, means),
        idempotency_key=item.command.idempotency_key,
    )


def _origin(item: Draft, facts: Facts) -> Signature:
    """The sender's own seal: over this posting alone, or over its batch and then with the way to the batch's root."""
    sent, seal = item.command.signature, item.seal
    if seal is None:
        statement, proof = checks.statement_of(item, facts).bytes(), None
    else:
        assert seal.statement is not None
        statement, proof = seal.statement.bytes(), seal.proof(item.place)
    return Signature(
        posting_id=item.id,
        id=new_id(),
        system_id=facts.caller.system_id,
        system=facts.caller.unique_id,
        key_id=sent.key_id,
        purpose=Purpose.ORIGIN,
        comments="",
        signed_at=sent.signed_at,
        received_at=facts.now,
        statement=statement,
        e_sign=sent.e_sign,
        batch_index=proof.index if proof else None,
        batch_size=proof.size if proof else None,
        batch_path=b"".join(proof.path) if proof else None,
    )


def posting_of(item: Draft, facts: Facts) -> Posting:
    """The posting a draft without problems becomes."""
    return _posting(item, facts, tuple(_line(item, facts, line) for line in item.content.lines))


def _posting(item: Draft, facts: Facts, lines: tuple[Line, ...]) -> Posting:
    content = item.content
    assert item.digest is not None
    local = facts.local_day(content.event_time)
    month, day = (int(part) for part in facts.tenant.fiscal_year_start.split("-"))
    reversal = content.reversal
    return Posting(
        tenant_id=facts.tenant.id,
        id=item.id,
        kind=content.kind,
        environment=facts.caller.environment.value,
        government=facts.tenant.code,
        sender_id=facts.caller.system_id,
        sender_agency_id=facts.caller.agency_id,
        sender=facts.caller.unique_id,
        narrowed=bool(content.receivers),
        schema_version=content.schema_version,
        classification=classification_of(content, facts.by_id.get(reversal.posting_id) if reversal else None),
        topic=content.topic,
        correlation_id=content.correlation_id,
        type=content.type,
        major_type=content.major_type,
        sub_type=check_types(
            content.type,
            content.major_type,
            content.sub_type,
            qualifier=content.qualifier,
            process=content.process,
        ).sub_type,
        qualifier=content.qualifier,
        process=content.process,
        attribute_group=content.attribute_group,
        reference_id=content.reference_id,
        event_time=content.event_time,
        posted_at=facts.now,
        fiscal_year=rules.fiscal_year(local, (month, day)),
        month=local.replace(day=1),
        currency=lines[0].currency if lines else facts.tenant.currency,
        total_amount=sum((line.amount for line in lines), Decimal(0)),
        line_count=len(lines),
        period_start=min((line.period_start for line in lines), default=None),
        period_end=max((line.period_end for line in lines), default=None),
        attributes=dict(content.attributes),
        warnings=tuple(_warning(problem) for problem in item.warnings[:WARNINGS_MAX]),
        reverses_id=reversal.posting_id if reversal else None,
        reversal_mode=reversal.mode if reversal else None,
        reversal_reason=reversal.reason if reversal else None,
        reversal_comment=reversal.comment if reversal else None,
        content=item.framed,
        content_digest=item.digest.raw,
    )


def _warning(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code.value, "message": problem.message, "path": list(problem.path)}


def _line(item: Draft, facts: Facts, line: LineDraft) -> Line:
    amount = read_amount(line.amount)
    assert amount is not None
    assert line.currency is not None
    assert line.period_start is not None
    assert line.period_end is not None
    reversal = item.content.reversal
    if reversal is not None:
        codes = _repeated(facts.lines[reversal.posting_id], line)
    else:
        codes = _looked_up(facts, facts.local_day(item.content.event_time), line)
    return Line(
        posting_id=item.id,
        line_no=line.line_no,
        amount=rules.at_scale(amount, line.currency),
        currency=line.currency,
        **codes,
        period_start=line.period_start,
        period_end=line.period_end,
        tags=tuple(tag_members(tag) for tag in line.tags),
        attributes=dict(line.attributes),
        reverses_line_no=line.reverses_line_no,
    )


def _repeated(originals: list[Line], line: LineDraft) -> dict[str, Any]:
    """The codes, paths and versions of the line that is taken back: what was valid then stays so."""
    (source,) = (each for each in originals if each.line_no == line.reverses_line_no)
    return {name: getattr(source, name) for name in CODE_FIELDS}


def _looked_up(facts: Facts, day: date, line: LineDraft) -> dict[str, Any]:
    """The normalised codes, paths and versions of a line; lines of a batch that name the same codes share them."""
    key = (
        day,
        line.coa_code,
        line.location_code,
        line.program_code,
        line.project_code,
        line.administrative_hierarchy_code,
        line.department_code,
    )
    found = facts.placed.get(key)
    if found is None:
        found = facts.placed[key] = _codes_of(facts.resolved[day], line)
    return found


def _codes_of(resolved: Resolved, line: LineDraft) -> dict[str, Any]:
    coa = _entry(resolved, Registry.COA, line.coa_code)
    location = _entry(resolved, Registry.LOCATION, line.location_code)
    program = _entry(resolved, Registry.PROGRAM, line.program_code)
    project = _entry(resolved, Registry.PROJECT, line.project_code)
    node = _entry(resolved, Registry.ADMIN, line.administrative_hierarchy_code)
    department = _entry(resolved, Registry.DEPARTMENT, line.department_code)
    return {
        "coa_code": coa[0],
        "coa_version_id": coa[2],
        "location_code": location[0],
        "location_path": location[1],
        "location_version_id": location[2],
        "program_code": program[0],
        "program_version_id": program[2],
        "project_code": project[0],
        "project_version_id": project[2],
        "administrative_hierarchy_code": node[0],
        "administrative_hierarchy_path": node[1],
        "administrative_version_id": node[2],
        "department_code": department[0] or node[3],
        "department_path": department[1] or node[4],
        "department_version_id": department[2],
    }


def _entry(
    resolved: Resolved, kind: Registry, code: str | None
) -> tuple[str | None, str | None, uuid.UUID | None, str | None, str | None]:
    """Code, path, version, and for administrative nodes the department's code and path."""
    entry = resolved.get(kind, code) if code else None
    if entry is None:
        return None, None, None, None, None
    return entry.code, entry.path, entry.version_id, entry.department_code, entry.department_path


def _receipt(item: Draft, facts: Facts, means: Means) -> StoredReceipt:
    """The hub's own word that it took these bytes in, at this instant, under this id."""
    assert item.digest is not None
    receipt = Receipt(
        posting_id=item.id,
        content_digest=item.digest,
        posted_at=facts.now,
        tenant=facts.tenant.code,
        system=facts.caller.unique_id,
        key_id=means.signing_key.key_id,
    )
    return StoredReceipt(
        posting_id=item.id,
        issued_at=facts.now,
        key_id=means.signing_key.key_id,
        statement=receipt.bytes(),
        signature=seal(means.signing_key, receipt),
    )
