"""From a checked draft to everything it stores: normalised codes, pinned versions, the hub's receipt. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hub.domain.fiscal_events import checks, placing, rules
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
)
from hub.domain.fiscal_events.vocabulary import check_types
from hub.errors import Problem
from hub.kit.ids import new_id
from hub.means import Means
from hub.signing import Purpose, Receipt, ReceiptForm

WARNINGS_MAX = 100


def pack(item: Draft, facts: Facts, means: Means) -> Package:
    """Everything this posting stores; the draft has no problems left."""
    assert item.digest is not None
    lines = _lines(item, facts)
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
        statement, proof = checks.statement_of(item, facts), None
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
    return _posting(item, facts, _lines(item, facts))


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


def _lines(item: Draft, facts: Facts) -> tuple[Line, ...]:
    lines, reversal = item.content.lines, item.content.reversal
    if reversal is None:
        return tuple(_line(item, line, place.values) for line, place in zip(lines, item.placed, strict=True))
    originals = facts.lines.get(reversal.posting_id, [])  # a message may have none
    return tuple(_line(item, line, _repeated(originals, line)) for line in lines)


def _line(item: Draft, line: LineDraft, codes: tuple[Any, ...]) -> Line:
    amount = read_amount(line.amount)
    assert amount is not None
    assert line.currency is not None
    assert line.period_start is not None
    assert line.period_end is not None
    return Line(
        item.id,
        line.line_no,
        rules.at_scale(amount, line.currency),
        line.currency,
        line.period_start,
        line.period_end,
        tuple(map(tag_members, line.tags)),
        dict(line.attributes),
        line.reverses_line_no,
        *codes,
    )


def _repeated(originals: list[Line], line: LineDraft) -> tuple[Any, ...]:
    """The codes, paths and versions of the line that is taken back: what was valid then stays so."""
    (source,) = (each for each in originals if each.line_no == line.reverses_line_no)
    return placing.repeated(source)


def _receipt(item: Draft, facts: Facts, means: Means) -> bytes:
    """What the hub will sign: that it took these bytes in, at this instant, under this id."""
    assert item.digest is not None
    key_id = means.signing_key.key_id
    form = facts.receipts.get(key_id)
    if form is None:
        form = facts.receipts[key_id] = ReceiptForm(
            Receipt(
                posting_id=item.id,
                content_digest=item.digest,
                posted_at=facts.now,
                tenant=facts.tenant.code,
                system=facts.caller.unique_id,
                key_id=key_id,
                log=means.log_origin,
                in_log_by=facts.now + means.log_promise,
            )
        )
    return form.bytes(item.id, item.digest)
