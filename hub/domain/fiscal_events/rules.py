"""The rules a posting must keep that need no database: every violation is found, none stops the search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import chain

from hub.codes import Code
from hub.domain.fiscal_events.content import NORMAL_SCALE, is_normal, read_amount
from hub.domain.fiscal_events.model import Attachment, AttachmentKind, Content, LineDraft, Link, Tag
from hub.domain.fiscal_events.vocabulary import PostingKind, Qualifier, Relation, SubType
from hub.errors import Problem
from hub.kit.money import minor_units
from hub.signing import amount_text

LINES_MAX = 1_000
LINE_NO_MAX = 1_000_000
LINKS_MAX = 20
ATTACHMENTS_MAX = 20
RECEIVERS_MAX = 100
REFERENCE_MAX = 64
IDEMPOTENCY_KEY_MAX = 255
AMOUNT_MAX = Decimal(10) ** 15
FUTURE_MAX = timedelta(minutes=5)
EARLIEST = datetime(1950, 1, 1, tzinfo=UTC)
COMMENT_MAX = 2_000
NAME_MAX = 256
VALUE_MAX = 1_024
CODE_MAX = 64
TAGS_MAX = 10
GENDER_BUDGET = "gender-budget"
DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
MEDIA_TYPES = frozenset(
    {
        "application/pdf",
        "image/png",
        "image/jpeg",
        "text/csv",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/xml",
        "text/xml",
        "application/json",
    }
)
MAY_BE_NEGATIVE = frozenset({Qualifier.REVISED, Qualifier.SURRENDER})
MAY_BE_ZERO = frozenset({SubType.ESTIMATE, SubType.PLAN})
WARN_WHEN_EXCEEDED = frozenset({Relation.PART_OF, Relation.FUNDED_BY, Relation.IMPLEMENTS, Relation.DRAWS_ON})
ARITHMETIC = WARN_WHEN_EXCEEDED | {Relation.SETTLES}
BEFORE_SANCTION = frozenset({"dpr"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHARE = re.compile(r"(0\.[0-9]{1,4}|1(\.0{1,4})?)")


def check_content(content: Content, now: datetime) -> list[Problem]:
    """Everything about one posting that can be said without looking anything up (spec 3.2 to 3.5)."""
    return [
        *_header(content),
        *_times(content, now),
        *_lists(content),
        *_currencies(content),
        *chain.from_iterable(_line(content, i, line) for i, line in enumerate(content.lines)),
        *(problem for i, item in enumerate(content.attachments) for problem in _attachment(i, item)),
        *_links(content),
    ]


def check_idempotency_key(key: str) -> list[Problem]:
    """1 to 255 characters without control characters."""
    if 1 <= len(key) <= IDEMPOTENCY_KEY_MAX and key.isprintable():
        return []
    return [Problem(Code.IDEMPOTENCY_KEY, Code.IDEMPOTENCY_KEY.summary, ("idempotencyKey",))]


def _header(content: Content) -> Iterator[Problem]:
    if content.schema_version != "3.0":
        yield Problem(Code.SCHEMA_VERSION, "the schema version is 3.0", ("content", "schemaVersion"))
    if not content.reference_id.strip():
        yield Problem(Code.REFERENCE_ID, Code.REFERENCE_ID.summary, ("content", "referenceId"))
    elif len(content.reference_id) > REFERENCE_MAX:
        yield Problem(Code.REFERENCE_ID_LENGTH, Code.REFERENCE_ID_LENGTH.summary, ("content", "referenceId"))
    if content.kind is PostingKind.MESSAGE and not content.receivers:
        yield Problem(Code.RECEIVER_REQUIRED, Code.RECEIVER_REQUIRED.summary, ("content", "to"))
    if len(content.receivers) > RECEIVERS_MAX:
        yield Problem(Code.RECEIVER_LIMIT, Code.RECEIVER_LIMIT.summary, ("content", "to"))
    for name, text, limit in (
        ("topic", content.topic, 64),
        ("correlationId", content.correlation_id, 256),
        ("process", content.process, 64),
        ("attributeGroup", content.attribute_group, 64),
    ):
        if text is not None:
            yield from (_at(("content", name), problem) for problem in _text(text, limit))
    if content.reversal is not None:
        at = ("content", "reversal", "comment")
        yield from (_at(at, problem) for problem in _text(content.reversal.comment, COMMENT_MAX))


def _text(text: str | None, limit: int) -> Iterator[Problem]:
    """A text that may be left out, but not be empty or too long."""
    if text is not None and not 1 <= len(text) <= limit:
        yield Problem(Code.TEXT, f"1 to {limit} characters", ())


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold this text at all."""
    return _UNSTORABLE.search(text) is None


def _times(content: Content, now: datetime) -> Iterator[Problem]:
    if content.event_time < EARLIEST:
        yield Problem(Code.EVENT_TIME, Code.EVENT_TIME.summary, ("content", "eventTime"))
    if content.event_time > now + FUTURE_MAX:
        yield Problem(Code.EVENT_TIME_FUTURE, Code.EVENT_TIME_FUTURE.summary, ("content", "eventTime"))


def _lists(content: Content) -> Iterator[Problem]:
    if not content.lines and content.kind is PostingKind.EVENT:
        yield Problem(Code.AMOUNT_DETAILS, Code.AMOUNT_DETAILS.summary, ("content", "lines"))
    if len(content.lines) > LINES_MAX:
        yield Problem(Code.LINE_LIMIT, Code.LINE_LIMIT.summary, ("content", "lines"))
    if len(content.links) > LINKS_MAX:
        yield Problem(Code.LINK_LIMIT, Code.LINK_LIMIT.summary, ("content", "links"))
    if len(content.attachments) > ATTACHMENTS_MAX:
        yield Problem(Code.ATTACHMENT_LIMIT, Code.ATTACHMENT_LIMIT.summary, ("content", "attachments"))
    seen: set[int] = set()
    for i, line in enumerate(content.lines):
        if line.line_no < 1 or line.line_no > LINE_NO_MAX or line.line_no in seen:
            yield Problem(Code.LINE_NO, Code.LINE_NO.summary, ("content", "lines", i, "lineNo"))
        seen.add(line.line_no)


def _currencies(content: Content) -> Iterator[Problem]:
    first = content.lines[0].currency if content.lines else None
    for i, line in enumerate(content.lines):
        if line.currency is None or minor_units(line.currency) is None:
            yield Problem(Code.CURRENCY, "not an ISO 4217 code", ("content", "lines", i, "currency"))
        elif line.currency != first:
            yield Problem(Code.CURRENCY, "one currency per posting", ("content", "lines", i, "currency"))


def _line(content: Content, i: int, line: LineDraft) -> list[Problem]:
    found = [*_amount(content, line), *_period(line.period_start, line.period_end, _years_max(content))]
    at = ("content", "lines", i)
    problems = [problem.under(*at) for problem in found]
    needs_head = content.kind is PostingKind.EVENT and content.attribute_group not in BEFORE_SANCTION
    if needs_head and not (line.coa_code or "").strip():
        problems.append(Problem(Code.COA_CODE, Code.COA_CODE.summary, (*at, "coaCode")))
    if line.tags:
        problems += _tags(line, at)
    return problems


def _tags(line: LineDraft, at: tuple[str | int, ...]) -> Iterator[Problem]:
    if len(line.tags) > TAGS_MAX:
        yield Problem(Code.TAG_LIMIT, Code.TAG_LIMIT.summary, (*at, "tags"))
    for j, tag in enumerate(line.tags):
        yield from (_at((*at, "tags", j), problem) for problem in _tag(tag))
        if any(tag.scheme == earlier.scheme for earlier in line.tags[:j]):
            yield Problem(Code.TAG_SHARE, "one share for each scheme", (*at, "tags", j, "scheme"))


def _at(prefix: tuple[str | int, ...], problem: Problem) -> Problem:
    return problem.under(*prefix)


def _amount(content: Content, line: LineDraft) -> list[Problem]:
    amount = read_amount(line.amount)
    if amount is None:
        return [Problem(Code.AMOUNT, Code.AMOUNT.summary, ("amount",))]
    problems: list[Problem] = []
    scale = minor_units(line.currency or "")
    if amount > 0 and scale == NORMAL_SCALE and is_normal(line.amount):
        return problems
    if abs(amount) >= AMOUNT_MAX:
        problems.append(Problem(Code.AMOUNT, "the amount is 10^15 or more", ("amount",)))
    if scale is not None and not _fits(amount, scale):
        told = f"{line.currency} has {scale} decimal places"
        problems.append(Problem(Code.AMOUNT_SCALE, told, ("amount",)))
    if content.reversal is not None or amount > 0:
        return problems
    if amount < 0 and not (content.sub_type is SubType.ESTIMATE and content.qualifier in MAY_BE_NEGATIVE):
        problems.append(Problem(Code.NEGATIVE_AMOUNT, Code.NEGATIVE_AMOUNT.summary, ("amount",)))
    if amount == 0 and content.sub_type not in MAY_BE_ZERO:
        problems.append(Problem(Code.ZERO_AMOUNT, Code.ZERO_AMOUNT.summary, ("amount",)))
    return problems


def _fits(amount: Decimal, scale: int) -> bool:
    """Whether an amount says nothing beyond this many decimal places."""
    exponent = amount.as_tuple().exponent
    return (isinstance(exponent, int) and -exponent <= scale) or _digits_after_point(amount) <= scale


def _digits_after_point(amount: Decimal) -> int:
    """Decimal places that say something; no context is asked, as one would round long numbers."""
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int):
        return 0
    trailing = next((n for n, digit in enumerate(reversed(digits)) if digit != 0), len(digits))
    return max(0, -exponent - trailing)


def _years_max(content: Content) -> int:
    return 10 if content.sub_type is SubType.PLAN else 5


@lru_cache(maxsize=4096)  # lines repeat their periods
def _period(start: date | None, end: date | None, years_max: int) -> tuple[Problem, ...]:
    if start is None or end is None:
        return tuple(
            Problem(Code.PERIOD_MISSING, Code.PERIOD_MISSING.summary, (name,))
            for name, day in (("periodStart", start), ("periodEnd", end))
            if day is None
        )
    if end < start:
        return (Problem(Code.PERIOD_ORDER, Code.PERIOD_ORDER.summary, ("periodEnd",)),)
    if (limit := _years_later(start, years_max)) is not None and end >= limit:
        return (Problem(Code.PERIOD_SPAN, Code.PERIOD_SPAN.summary, ("periodEnd",)),)
    return ()


def _years_later(day: date, years: int) -> date | None:
    """The same day some years later; None beyond the calendar's end."""
    if day.year + years > date.max.year:
        return None
    if (day.month, day.day) == (2, 29):
        return date(day.year + years, 3, 1)
    return day.replace(year=day.year + years)


def _tag(tag: Tag) -> Iterator[Problem]:
    """Share above 0 and at most 1; a gender share says whose beneficiaries it counts (spec 15.1)."""
    if not _SHARE.fullmatch(tag.share) or Decimal(tag.share) == 0:
        yield Problem(Code.TAG_SHARE, Code.TAG_SHARE.summary, ("share",))
    if not 1 <= len(tag.scheme) <= CODE_MAX:
        yield Problem(Code.TEXT, f"1 to {CODE_MAX} characters", ("scheme",))
    for name, text in (
        ("beneficiaryRegistry", tag.beneficiary_registry),
        ("targetSegment", tag.target_segment),
    ):
        is_missing = text is None and tag.scheme == GENDER_BUDGET
        if is_missing or (text is not None and not (text.strip() and len(text) <= NAME_MAX)):
            yield Problem(Code.TAG_SEGMENT, Code.TAG_SEGMENT.summary, (name,))


def _attachment(i: int, attachment: Attachment) -> Iterator[Problem]:
    at = ("content", "attachments", i)
    if attachment.kind is AttachmentKind.KEY_VALUE:
        if (
            not 1 <= len(attachment.key or "") <= CODE_MAX
            or not 1 <= len(attachment.value or "") <= VALUE_MAX
        ):
            yield Problem(Code.ATTACHMENT_KEY, Code.ATTACHMENT_KEY.summary, at)
        if attachment != Attachment(AttachmentKind.KEY_VALUE, attachment.key, attachment.value):
            yield Problem(Code.ATTACHMENT_KEY, "a KEY_VALUE has a key and a value, nothing else", at)
        return
    if attachment.key is not None or attachment.value is not None:
        yield Problem(Code.ATTACHMENT_KEY, "a document has no key or value", at)
    if not 1 <= len(attachment.name or "") <= NAME_MAX:
        yield Problem(Code.TEXT, f"a document has a name of 1 to {NAME_MAX} characters", (*at, "name"))
    yield from (_at((*at, "role"), problem) for problem in _text(attachment.role, CODE_MAX))
    if attachment.media_type not in MEDIA_TYPES:
        yield Problem(Code.ATTACHMENT_TYPE, Code.ATTACHMENT_TYPE.summary, (*at, "mediaType"))
    if not is_sha256(attachment.sha256 or ""):
        yield Problem(Code.ATTACHMENT_DIGEST, "sha256 is 64 lower-case hex digits", (*at, "sha256"))
    if not 1 <= (attachment.size_bytes or 0) <= DOCUMENT_BYTES_MAX:
        yield Problem(Code.ATTACHMENT_SIZE, Code.ATTACHMENT_SIZE.summary, (*at, "sizeBytes"))


def _links(content: Content) -> Iterator[Problem]:
    for i, link in enumerate(content.links):
        at = ("content", "links", i)
        if not _names_one(link):
            yield Problem(Code.LINKED_EVENT_ID, "a link names an id, or a system and its reference", at)
        if link.reference_id is not None and not 1 <= len(link.reference_id) <= REFERENCE_MAX:
            yield Problem(Code.REFERENCE_ID_LENGTH, "1 to 64 characters", (*at, "referenceId"))
        if link.relation is Relation.CONCERNS and content.kind is not PostingKind.MESSAGE:
            yield Problem(Code.RELATION_NOT_ALLOWED, "only a message concerns an event", (*at, "relation"))
        if link.system == content.sender and link.reference_id == content.reference_id:
            yield Problem(Code.LINK_CYCLE, "a posting cannot be linked to itself", at)


def _names_one(link: Link) -> bool:
    """Either an id and nothing else, or a system and its reference."""
    if link.posting_id is not None:
        return link.system is None and link.reference_id is None
    return link.system is not None and link.reference_id is not None


def takes(relation: Relation, sub_type: SubType) -> bool:
    """Whether a child of this sub-type takes from its parent's amount (spec 10.2).

    Of what draws on an estimate or a demand the bills alone are summed: awards reach over years, and a
    tranche is drawn on once more by its bills.
    """
    if relation is Relation.DRAWS_ON:
        return sub_type is SubType.BILL
    return relation in ARITHMETIC


def fiscal_year(day: date, start: tuple[int, int]) -> int:
    """The year a fiscal year begins in; ``start`` is (month, day) of its first day."""
    return day.year if (day.month, day.day) >= start else day.year - 1


def at_scale(amount: Decimal, currency: str) -> Decimal:
    """The same amount with exactly its currency's decimal places; nothing is ever rounded."""
    scale = minor_units(currency)
    assert scale is not None
    if amount and amount.as_tuple().exponent == -scale:
        return amount
    assert _fits(amount, scale)
    return Decimal(amount_text(amount, scale))


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 digest in its only spelling: 64 lower-case hex digits."""
    return _SHA256.fullmatch(text) is not None
