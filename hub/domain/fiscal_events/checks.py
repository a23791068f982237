"""The rules that compare a posting with what is on record; pure, given the gathered facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

from hub.codes import Code
from hub.domain.fiscal_events import reversals
from hub.domain.fiscal_events.attribute_rules import Attributed, check_attributes
from hub.domain.fiscal_events.content import read_amount
from hub.domain.fiscal_events.drafts import Draft
from hub.domain.fiscal_events.facts import Facts
from hub.domain.fiscal_events.model import AttachmentKind, LineDraft, Link, OriginSignature, Posting
from hub.domain.fiscal_events.placing import Placed
from hub.domain.fiscal_events.rules import check_content, takes
from hub.domain.fiscal_events.seals import BatchSeal, unsigned
from hub.domain.fiscal_events.vocabulary import (
    AttributePolicy,
    LinkEnd,
    Relation,
    SubType,
    check_types,
    coa_side_matches,
    relation_problem,
)
from hub.domain.reference import Registry, Status
from hub.domain.registry import Policy, SystemRole, SystemStatus, TenantStatus
from hub.errors import Problem, RequestProblem
from hub.signing import (
    PublicKey,
    Purpose,
    SignatureInvalid,
    Statement,
    StatementForm,
    instant_text,
    verify,
    verify_statement,
)

SIGNED_AT_MAX = timedelta(minutes=5)
TEXT_SHOWN_MAX = 100


def check(item: Draft, facts: Facts) -> None:
    """Find every problem and warning of one draft; the draft gathers them."""
    item.problems += check_content(item.content, facts.now)
    _types(item)
    item.problems += _sender(item, facts)
    item.problems += _scope(item, facts)
    _attributes(item, facts)
    item.problems += _documents(item, facts)
    _links(item, facts)
    if item.content.reversal is not None:
        item.problems += reversals.check(item.content, facts)
        _left_uncovered(item, facts)
    else:
        item.problems += _receivers(item, facts)
        day = facts.local_day(item.content.event_time)
        item.placed = [facts.places.of(line, day) for line in item.content.lines]
        for i, line in enumerate(item.content.lines):
            _codes(item, facts, i, line)
    item.problems += _signature(item, facts)


def _types(item: Draft) -> None:
    verdict = check_types(
        item.content.type,
        item.content.major_type,
        item.content.sub_type,
        qualifier=item.content.qualifier,
        process=item.content.process,
    )
    item.problems += [problem.under("content") for problem in verdict.errors]
    item.warnings += [problem.under("content") for problem in verdict.warnings]


def _sender(item: Draft, facts: Facts) -> Iterator[Problem]:
    if item.content.sender != facts.caller.unique_id:
        yield Problem(Code.SENDER_MISMATCH, Code.SENDER_MISMATCH.summary, ("content", "from"))
    if item.content.government != facts.tenant.code:
        yield Problem(Code.TENANT_NOT_ALLOWED, Code.TENANT_NOT_ALLOWED.summary, ("content", "government"))


def _scope(item: Draft, facts: Facts) -> Iterator[Problem]:
    """The sender and its government still act, within what the sender is registered for."""
    if facts.tenant.status is not TenantStatus.ACTIVE:
        yield Problem(Code.TENANT_ID, Code.TENANT_ID.summary, ("content", "government"))
    system = facts.systems.get(facts.caller.unique_id)
    if system is None or system.status is not SystemStatus.ACTIVE:
        yield Problem(Code.SYSTEM_NOT_ACTIVE, Code.SYSTEM_NOT_ACTIVE.summary, ("content", "from"))
        return
    for name, scope, value in (
        ("government", system.scope_tenants, facts.tenant.code),
        ("majorType", system.scope_major_types, item.content.major_type.value),
        ("subType", system.scope_sub_types, _end(item).sub_type.value),
    ):
        if scope is not None and value not in scope:
            message = f"{value} is outside what this system is registered for"
            yield Problem(Code.SCOPE_NOT_ALLOWED, message, ("content", name))


def _receivers(item: Draft, facts: Facts) -> Iterator[Problem]:
    for i, name in enumerate(item.content.receivers):
        system = facts.systems.get(name)
        at = ("content", "to", i)
        if (
            system is None
            or system.status is not SystemStatus.ACTIVE
            or system.environment is not facts.caller.environment
        ):
            yield Problem(Code.RECEIVER_UNKNOWN, Code.RECEIVER_UNKNOWN.summary, at)
        elif SystemRole.CONSUMER not in system.roles:
            yield Problem(Code.RECEIVER_NOT_CONSUMER, Code.RECEIVER_NOT_CONSUMER.summary, at)


def _attributes(item: Draft, facts: Facts) -> None:
    found = check_attributes(
        Attributed.of(item.content, sub_type=_end(item).sub_type),
        AttributePolicy(facts.tenant.attribute_policy),
    )
    item.problems += [problem.under("content") for problem in found.errors]
    item.warnings += [problem.under("content") for problem in found.warnings]


CODES = (
    (Registry.LOCATION, "location_code", "locationCode", Code.LOCATION_CODE_INVALID),
    (Registry.PROGRAM, "program_code", "programCode", Code.PROGRAM_CODE_INVALID),
    (Registry.PROJECT, "project_code", "projectCode", Code.PROJECT_CODE_INVALID),
    (
        Registry.ADMIN,
        "administrative_hierarchy_code",
        "administrativeHierarchyCode",
        Code.ADMIN_CODE_INVALID,
    ),
    (Registry.DEPARTMENT, "department_code", "departmentCode", Code.DEPARTMENT_CODE_INVALID),
    (Registry.COA, "coa_code", "coaCode", Code.COA_CODE_INVALID),
)


def _codes(item: Draft, facts: Facts, i: int, line: LineDraft) -> None:
    """Every code known and in use on the event's day; a reversal is not asked, as codes may have retired since."""
    placed = item.placed[i]
    if not placed.is_sound:
        item.problems += _unusable(placed, i, line)
    if placed.major_head is not None:
        _side(item, facts, i, placed.major_head)
    if not placed.is_sound and (project := placed.entries.get(Registry.PROJECT)) is not None:
        stage = project.attributes.get("lifecycle")
        at = ("content", "lines", i, "projectCode")
        if stage == "CLOSED":
            item.problems.append(Problem(Code.PROJECT_CLOSED, Code.PROJECT_CLOSED.summary, at))
        elif stage == "COMPLETED":
            item.warnings.append(Problem(Code.PROJECT_COMPLETED, Code.PROJECT_COMPLETED.summary, at))


def _unusable(placed: Placed, i: int, line: LineDraft) -> Iterator[Problem]:
    for kind, attribute, name, code in CODES:
        text: str | None = getattr(line, attribute)
        if not text:
            continue
        entry = placed.entries[kind]
        if entry is None or entry.status is not Status.ACTIVE:
            told = f"{text[:TEXT_SHOWN_MAX]!r}: {code.summary}"
            yield Problem(code, told, ("content", "lines", i, name))


def _side(item: Draft, facts: Facts, i: int, major_head: str) -> None:
    """The head's side of the accounts against the major type: a warning, or an error by policy."""
    if coa_side_matches(major_head, item.content.major_type) is not False:
        return
    code = Code.COA_MAJOR_TYPE_MISMATCH
    found = Problem(code, code.summary, ("content", "lines", i, "coaCode"))
    strict = facts.tenant.major_type_policy is Policy.ENFORCE
    (item.problems if strict else item.warnings).append(found)


def _documents(item: Draft, facts: Facts) -> Iterator[Problem]:
    for i, attachment in enumerate(item.content.attachments):
        if attachment.kind is not AttachmentKind.DOCUMENT or not attachment.sha256:
            continue
        try:
            known = facts.documents.get(bytes.fromhex(attachment.sha256))
        except ValueError:
            continue
        at = ("content", "attachments", i)
        if known is None:
            yield Problem(Code.ATTACHMENT_MISSING, Code.ATTACHMENT_MISSING.summary, (*at, "sha256"))
            continue
        media_type, size_bytes = known
        if media_type != attachment.media_type:
            yield Problem(Code.ATTACHMENT_TYPE, "uploaded with another media type", (*at, "mediaType"))
        if size_bytes != attachment.size_bytes:
            yield Problem(Code.ATTACHMENT_SIZE, "uploaded with another size", (*at, "sizeBytes"))


def _links(item: Draft, facts: Facts) -> None:
    for i, link in enumerate(item.content.links):
        at = ("content", "links", i)
        own = (facts.caller.system_id, item.content.reference_id)
        if own in facts.waits(link) and facts.reference_of(link) != own:
            item.problems.append(Problem(Code.LINK_CYCLE, Code.LINK_CYCLE.summary, at))
        parent = facts.parent(link)
        if parent is not None:
            _parent(item, facts, link, parent, at)
        elif link.posting_id is not None:
            item.problems.append(Problem(Code.LINKED_EVENT_ID, Code.LINKED_EVENT_ID.summary, at))
        elif facts.reference_of(link) is None:
            item.problems.append(Problem(Code.LINKED_EVENT_ID, "no such system", (*at, "system")))


def _end(item: Draft) -> LinkEnd:
    content = item.content
    stored = check_types(
        content.type,
        content.major_type,
        content.sub_type,
        qualifier=content.qualifier,
        process=content.process,
    ).sub_type
    return LinkEnd(type=content.type, sub_type=stored, kind=content.kind)


def _parent(item: Draft, facts: Facts, link: Link, parent: Posting, at: tuple[str | int, ...]) -> None:
    """Rules between a posting and a parent that is on record, or earlier in the batch (spec 10.2)."""
    end = LinkEnd(type=parent.type, sub_type=parent.sub_type, kind=parent.kind)
    problem = relation_problem(link.relation, _end(item), end)
    if problem is not None:
        item.problems.append(problem.under(*at))
        return
    if link.relation is Relation.REPLACES and not _replaceable(facts, parent):
        message = "only a fully reversed posting, an estimate or a plan can be replaced"
        item.problems.append(Problem(Code.RELATION_NOT_ALLOWED, message, at))
    if item.content.reversal is None:
        _arithmetic(item, facts, link, parent, at)


def _arithmetic(item: Draft, facts: Facts, link: Link, parent: Posting, at: tuple[str | int, ...]) -> None:
    """Children take no more than their parent's net amount; how strictly depends on the relation."""
    total = total_of(item)
    if total is None or not takes(link.relation, _end(item).sub_type):
        return
    if parent.currency != item.content.lines[0].currency:
        if link.relation is Relation.SETTLES:
            item.problems.append(Problem(Code.CURRENCY, "settles a posting in another currency", at))
        return
    taken = facts.drawn.get((parent.id, link.relation), Decimal(0)) + total
    if taken <= facts.net(parent):
        return
    if link.relation is Relation.SETTLES:
        _over_settled(item, facts, at)
    else:
        item.warnings.append(Problem(Code.BUDGET_EXCEEDED, Code.BUDGET_EXCEEDED.summary, at))


def _over_settled(item: Draft, facts: Facts, at: tuple[str | int, ...]) -> None:
    """A warning, or an error where the government says so (L-04)."""
    found = Problem(Code.OVER_SETTLED, Code.OVER_SETTLED.summary, at)
    strict = facts.tenant.settlement_policy is Policy.ENFORCE
    (item.problems if strict else item.warnings).append(found)


def _left_uncovered(item: Draft, facts: Facts) -> None:
    """A reversal in part may leave less than what has been settled already."""
    reversal = item.content.reversal
    original = facts.by_id.get(reversal.posting_id) if reversal is not None else None
    if original is None or item.problems:
        return
    settled = facts.drawn.get((original.id, Relation.SETTLES), Decimal(0))
    left = facts.net(original) - sum(reversals.parts(item.content).values(), Decimal(0))
    if settled != 0 and left < settled:
        _over_settled(item, facts, ("content", "reversal"))


def _replaceable(facts: Facts, parent: Posting) -> bool:
    return parent.sub_type in {SubType.ESTIMATE, SubType.PLAN} or facts.is_reversed(parent)


def total_of(item: Draft) -> Decimal | None:
    """The exact sum of a draft's lines, or None while an amount is unreadable."""
    amounts = [read_amount(line.amount) for line in item.content.lines]
    if not amounts or None in amounts:
        return None
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _signature(item: Draft, facts: Facts) -> Iterator[Problem]:
    """The origin signature: key known, the sender's own, valid now; time close; bytes hold (spec 3.6)."""
    sent = item.command.signature
    if item.digest is None:
        return
    if item.seal is not None:
        yield from _batch_signature(item.seal, facts)
        return
    if item.holds is None:
        message = statement_of(item, facts)
        yield from _judge(facts, sent, lambda key: verify(key, message, sent.e_sign))
    else:
        yield from _judge(facts, sent, lambda _: _as_verified(item))


def _as_verified(item: Draft) -> None:
    """What a thread found."""
    if not item.holds:
        raise SignatureInvalid.because("MISMATCH", "the signature is not this key's over these bytes")


def _batch_signature(seal: BatchSeal, facts: Facts) -> tuple[Problem, ...]:
    """What is wrong with the one signature of a batch; judged once, told to every item that is to be stored."""
    if seal.found is None:
        if seal.statement is None:
            assert seal.unreadable is not None
            seal.found = (unsigned(seal.unreadable),)
        else:
            message = seal.statement.bytes()
            problems = _judge(facts, seal.sent, lambda key: verify(key, message, seal.sent.e_sign))
            seal.found = tuple(RequestProblem(p.code, p.message, ("input", *p.path)) for p in problems)
    return seal.found


def statement_of(item: Draft, facts: Facts) -> bytes:
    """What the sender's key signs about this draft; made once.

    It speaks of the draft's own bytes, as the digest in it was taken from them.
    """
    assert item.digest is not None
    if item.statement is None:
        sent = item.command.signature
        form = facts.statements.get((sent.key_id, sent.signed_at))
        if form is None:
            form = facts.statements[sent.key_id, sent.signed_at] = StatementForm(
                Statement(
                    body_digest=item.digest,
                    comments="",
                    key_id=f"sgk_{sent.key_id}",
                    purpose=Purpose.ORIGIN,
                    signed_at=instant_text(sent.signed_at),
                    system=facts.caller.unique_id,
                )
            )
        item.statement = form.bytes(item.digest)
    return item.statement


def check_signature(
    facts: Facts, sent: OriginSignature, statement: Statement, *, content: bytes
) -> Iterator[Problem]:
    """Whether the caller's key may have signed this statement, now and truly; paths below ``signature``."""
    return _judge(facts, sent, lambda key: verify_statement(key, statement, sent.e_sign, content=content))


def _judge(facts: Facts, sent: OriginSignature, hold: Callable[[PublicKey], None]) -> Iterator[Problem]:
    """Whether the key is the caller's and valid, the time close, and the signature holds under the key."""
    key = facts.keys.get(sent.key_id)
    if key is None or key.system_id != facts.caller.system_id:
        yield Problem(Code.SIGNATURE_KEY, Code.SIGNATURE_KEY.summary, ("signature", "keyId"))
        return
    unusable = key.window.usable_at(facts.now)
    if unusable is not None:
        yield Problem(Code.SIGNATURE_KEY, str(unusable.violations[0].message), ("signature", "keyId"))
    if abs(sent.signed_at - facts.now) > SIGNED_AT_MAX:
        yield Problem(Code.SIGNATURE_TIME, Code.SIGNATURE_TIME.summary, ("signature", "signedAt"))
    try:
        hold(key.key)
    except SignatureInvalid:
        yield Problem(Code.SIGNATURE_INVALID, Code.SIGNATURE_INVALID.summary, ("signature", "eSign"))
