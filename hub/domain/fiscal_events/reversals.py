"""Taking back what was posted: at most the original, in whole or in parts, line by line (spec 8). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hub.codes import Code
from hub.domain.fiscal_events.content import read_amount, tag_members
from hub.domain.fiscal_events.model import (
    PREFIXES,
    Balance,
    Content,
    Line,
    LineDraft,
    Posting,
    Reversal,
    ReversalRequest,
    Tag,
)
from hub.domain.fiscal_events.vocabulary import (
    Relation,
    ReversalMode,
    ReversalReason,
    check_types,
)
from hub.domain.reference import Registry, candidates
from hub.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from hub.domain.fiscal_events.facts import Facts


def check(content: Content, facts: Facts) -> Iterator[Problem]:
    """Every rule of spec 8 that a reversal breaks."""
    reversal = content.reversal
    assert reversal is not None
    at = ("content", "reversal")
    original = facts.by_id.get(reversal.posting_id)
    if original is None or PREFIXES[original.kind] != reversal.posting_prefix:
        yield Problem(Code.REVERSAL_NOT_FOUND, Code.REVERSAL_NOT_FOUND.summary, at)
        return
    if original.sender_id != facts.caller.system_id:
        yield Problem(Code.REVERSAL_NOT_OWNER, Code.REVERSAL_NOT_OWNER.summary, at)
        return
    if original.reverses_id is not None:
        yield Problem(Code.REVERSAL_OF_REVERSAL, Code.REVERSAL_OF_REVERSAL.summary, at)
        return
    if reversal.reason is ReversalReason.OTHER and not (reversal.comment or "").strip():
        yield Problem(Code.REVERSAL_REASON, Code.REVERSAL_REASON.summary, (*at, "comment"))
    yield from _same(content, original, facts)
    yield from _lines(content, facts, original)


def _same(content: Content, original: Posting, facts: Facts) -> Iterator[Problem]:
    """What a reversal repeats of its original's header; a classification left out is the original's."""
    at = ("content", "reversal")
    stored = check_types(
        content.type,
        content.major_type,
        content.sub_type,
        qualifier=content.qualifier,
        process=content.process,
    ).sub_type
    mine = (content.kind, content.type, content.major_type, stored, content.qualifier)
    theirs = (
        original.kind,
        original.type,
        original.major_type,
        original.sub_type,
        original.qualifier,
    )
    same_currency = all(line.currency == original.currency for line in content.lines)
    if mine != theirs or not same_currency:
        yield Problem(Code.REVERSAL_MISMATCH, Code.REVERSAL_MISMATCH.summary, at)
    if content.classification not in (None, original.classification):
        message = f"the original is {original.classification}"
        yield Problem(Code.REVERSAL_MISMATCH, message, ("content", "classification"))
    if set(content.receivers) != facts.receivers.get(original.id, set()):
        yield Problem(Code.REVERSAL_MISMATCH, Code.REVERSAL_MISMATCH.summary, ("content", "to"))


def _lines(content: Content, facts: Facts, original: Posting) -> Iterator[Problem]:
    lines = {line.line_no: line for line in facts.lines.get(original.id, [])}
    left = {n: line.amount - _reversed(facts, original, n) for n, line in lines.items()}
    taken: set[int] = set()
    for i, line in enumerate(content.lines):
        at = ("content", "lines", i)
        source = lines.get(line.reverses_line_no or 0)
        if source is None or source.line_no in taken or not _repeats(line, source, original.government):
            yield Problem(Code.REVERSAL_LINE, Code.REVERSAL_LINE.summary, at)
            continue
        taken.add(source.line_no)
        amount = read_amount(line.amount)
        if amount is None:
            continue
        if amount * source.amount > 0 or (amount == 0) != (source.amount == 0):
            yield Problem(Code.REVERSAL_SIGN, Code.REVERSAL_SIGN.summary, (*at, "amount"))
        elif abs(amount) > abs(left[source.line_no]):
            yield Problem(Code.REVERSAL_EXCEEDS, Code.REVERSAL_EXCEEDS.summary, (*at, "amount"))
        else:
            left[source.line_no] += amount
    yield from _whole(content, facts, original, left=left, taken=taken)


def _whole(
    content: Content, facts: Facts, original: Posting, *, left: dict[int, Decimal], taken: set[int]
) -> Iterator[Problem]:
    """A full reversal leaves nothing; nothing that settles the original may then stand."""
    reversal = content.reversal
    assert reversal is not None
    if facts.is_reversed(original):
        yield Problem(Code.REVERSAL_EXCEEDS, "nothing is left to reverse", ("content", "reversal"))
    elif reversal.mode is ReversalMode.FULL:
        if any(amount != 0 and n not in taken for n, amount in left.items()):
            yield Problem(Code.REVERSAL_LINE, "a full reversal takes back every line", ("content", "lines"))
        elif any(left[n] != 0 for n in taken):
            message = "a full reversal takes back exactly what is left of each line"
            yield Problem(Code.REVERSAL_EXCEEDS, message, ("content", "lines"))
    elif not any(parts(content).values()):
        yield Problem(Code.REVERSAL_LINE, "a partial reversal takes something back", ("content", "lines"))
    children = facts.drawn.get((original.id, Relation.SETTLES), Decimal(0))
    if children != 0 and all(amount == 0 for amount in left.values()):
        yield Problem(Code.REVERSAL_HAS_CHILDREN, Code.REVERSAL_HAS_CHILDREN.summary, ("content", "reversal"))


def _reversed(facts: Facts, original: Posting, line_no: int) -> Decimal:
    balance = facts.balances.get(original.id, {}).get(line_no)
    return balance.reversed if balance is not None else Decimal(0)


def _repeats(line: LineDraft, source: Line, government: str) -> bool:
    """Whether a reversal's line repeats the codes, period and tags of the line it takes back."""
    places = (
        (line.location_code, source.location_code, source.location_path),
        (
            line.administrative_hierarchy_code,
            source.administrative_hierarchy_code,
            source.administrative_hierarchy_path,
        ),
    )
    return (
        _is_head(line.coa_code, source.coa_code)
        and line.program_code == source.program_code
        and line.project_code == source.project_code
        and all(_names(sent, code, path, government) for sent, code, path in places)
        and _is_department(line, source, government)
        and (line.period_start, line.period_end) == (source.period_start, source.period_end)
        and [tag_members(tag) for tag in line.tags] == list(source.tags)
    )


def _is_head(sent: str | None, stored: str | None) -> bool:
    """A head of account counts in every spelling that is read as the stored one."""
    if sent is None or stored is None:
        return sent == stored
    return stored in candidates(Registry.COA, sent)


def _names(sent: str | None, code: str | None, path: str | None, government: str) -> bool:
    """Whether a code or path as sent names what is stored under this code and path."""
    if not sent or code is None:
        return (sent or None) == code
    return sent in {code, path, f"{government}/{path}"}


def _is_department(line: LineDraft, source: Line, government: str) -> bool:
    """A department left out is the administrative node's own, as it was for the original."""
    if not line.department_code and line.administrative_hierarchy_code:
        return source.department_version_id is None
    return _names(line.department_code, source.department_code, source.department_path, government)


def parts(content: Content) -> dict[int, Decimal]:
    """Line number of the original to the amount taken back, in the original's sign."""
    return {
        line.reverses_line_no: -amount
        for line in content.lines
        if line.reverses_line_no is not None and (amount := read_amount(line.amount)) is not None
    }


def undone(balances: Mapping[int, Balance], reversal: Sequence[Line]) -> dict[int, Balance]:
    """The balances as they stood before a reversal with these lines."""
    taken = {line.reverses_line_no: line.amount for line in reversal}
    return {
        n: replace(balance, reversed=balance.reversed + taken.get(n, Decimal(0)))
        for n, balance in balances.items()
    }


def is_used_up(balances: Mapping[int, Balance]) -> bool:
    """Whether partial reversals have left nothing of any line."""
    amounts = balances.values()
    return any(each.amount != 0 for each in amounts) and all(each.left == 0 for each in amounts)


def build(
    request: ReversalRequest,
    original: Posting,
    lines: Sequence[Line],
    balances: Mapping[int, Balance],
    receivers: Sequence[str],
) -> Content:
    """The content of a reversal asked for by line numbers and amounts alone: codes repeated, amounts negated."""
    left = {
        line.line_no: line.amount - (balances[line.line_no].reversed if line.line_no in balances else 0)
        for line in lines
    }
    if request.mode is ReversalMode.FULL:
        if request.lines:
            message = "a full reversal takes all lines; leave them out"
            raise InvalidInput.because(Code.REVERSAL_LINE, message, "reversal", "lines")
        wanted = {
            line.line_no: -left[line.line_no] for line in lines if left[line.line_no] != 0 or line.amount == 0
        }
    else:
        wanted = _wanted(request, left)
    by_number = {line.line_no: line for line in lines}
    return Content(
        kind=original.kind,
        type=original.type,
        major_type=original.major_type,
        sub_type=original.sub_type,
        reference_id=request.reference_id,
        event_time=request.event_time,
        sender=original.sender,
        receivers=tuple(receivers),
        government=original.government,
        topic=original.topic,
        correlation_id=original.correlation_id,
        classification=original.classification,
        qualifier=original.qualifier,
        process=original.process,
        attribute_group=original.attribute_group,
        reversal=Reversal(
            request.posting_id, request.posting_prefix, request.mode, request.reason, request.comment
        ),
        lines=tuple(
            _mirror(i, by_number[n], amount) for i, (n, amount) in enumerate(sorted(wanted.items()), 1)
        ),
        attributes=request.attributes,
    )


def _wanted(request: ReversalRequest, left: dict[int, Decimal]) -> dict[int, Decimal]:
    problems: list[Problem] = []
    wanted: dict[int, Decimal] = {}
    for i, part in enumerate(request.lines):
        at = ("reversal", "lines", i)
        amount = read_amount(part.amount)
        if part.line_no not in left or part.line_no in wanted:
            problems.append(Problem(Code.REVERSAL_LINE, Code.REVERSAL_LINE.summary, (*at, "lineNo")))
        elif amount is None:
            problems.append(Problem(Code.AMOUNT, Code.AMOUNT.summary, (*at, "amount")))
        else:
            wanted[part.line_no] = -amount
    if not request.lines:
        problems.append(Problem(Code.REVERSAL_LINE, "a partial reversal names lines", ("reversal", "lines")))
    if problems:
        raise InvalidInput(problems)
    return wanted


def _mirror(line_no: int, line: Line, amount: Decimal) -> LineDraft:
    return LineDraft(
        line_no=line_no,
        amount=format(amount, "f"),
        currency=line.currency,
        coa_code=line.coa_code,
        location_code=line.location_code,
        program_code=line.program_code,
        project_code=line.project_code,
        administrative_hierarchy_code=line.administrative_hierarchy_code,
        department_code=line.department_code if line.department_version_id is not None else None,
        period_start=line.period_start,
        period_end=line.period_end,
        tags=tuple(
            Tag(tag["scheme"], tag["share"], tag.get("beneficiaryRegistry"), tag.get("targetSegment"))
            for tag in line.tags
        ),
        reverses_line_no=line.line_no,
    )
