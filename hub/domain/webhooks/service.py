"""Verbs on endpoints for their keepers: register, prove, change, switch off and on, remove; and what they may read."""

from __future__ import annotations

import hmac
import secrets as randomness
import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import and_

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import registry
from hub.domain.fiscal_events.filters import Filter, on_postings
from hub.domain.fiscal_events.reading import require_reader
from hub.domain.registry import Caller, HubCaller, PersonCaller, SystemCaller
from hub.domain.webhooks import (
    access,
    delivering,
    dispatching,
    history,
    payloads,
    secrets,
    store,
    store_deliveries,
)
from hub.domain.webhooks.commands import RegisterWebhook, UpdateWebhook, fingerprint
from hub.domain.webhooks.model import (
    DESCRIPTION_CHARACTERS_MAX,
    ENDPOINTS_MAX,
    URL_CHARACTERS_MAX,
    Change,
    DeliveryKind,
    DisabledReason,
    HistoryEntry,
    Message,
    NewWebhook,
    SecretMark,
    Webhook,
    WebhookState,
)
from hub.domain.webhooks.tables import webhook
from hub.errors import Conflict, InvalidInput, Problem, RuleBroken
from hub.kit.ids import new_id
from hub.means import Means

CHALLENGE_BYTES = 24
NOBODY_URL = ""


async def register(
    tx: Transaction, means: Means, caller: Caller, system_id: uuid.UUID, command: RegisterWebhook
) -> NewWebhook:
    """A new endpoint of a system, PENDING until its receiver answers the challenge; its secret is shown once.

    For the system itself, and its agency's owners and developers with a fresh code. It hears of what the log numbers
    from now on. Raises NotFound; InvalidInput WEBHOOK_URL, WEBHOOK_OPTIONS, SEARCH_CRITERIA; RuleBroken WEBHOOK_LIMIT
    beyond ten endpoints, SYSTEM_NOT_ACTIVE, STEP_UP_REQUIRED; Conflict IDEMPOTENCY_CONFLICT.
    """
    owner = await _keep_system(tx, caller, system_id)
    problems = _check(means, command.url, command.description)
    problems += _check_choices(len(command.kinds), len(command.schemes))
    if problems:
        raise InvalidInput(problems)
    await _check_filter(tx, owner.id, command.filter)
    webhook_id = new_id()
    mark = fingerprint(command, system_id)
    earlier = await registry.once(tx, caller, command.idempotency_key, "registerWebhook", mark, webhook_id)
    if earlier is not None:
        return NewWebhook(await _held(tx, caller, earlier), None)
    if await store.count_webhooks(tx, owner.tenant_id, owner.id) >= ENDPOINTS_MAX:
        raise RuleBroken.because(Code.WEBHOOK_LIMIT, f"a system has at most {ENDPOINTS_MAX} endpoints")
    await store.insert_webhook(
        tx,
        {
            "tenant_id": owner.tenant_id,
            "id": webhook_id,
            "system_id": owner.id,
            "agency_id": owner.agency_id,
            "url": command.url,
            "description": command.description,
            "state": WebhookState.PENDING.value,
            "kinds": sorted(command.kinds),
            "filter": store.filter_document(command.filter),
            "payload": command.payload.value,
            "is_ordered": command.is_ordered,
            "schemes": sorted(command.schemes),
            "dispatched_to": await dispatching.log_size(tx),
            "positions": 0,
            "challenge": _new_challenge(),
            "version": 1,
            "created_at": tx.now,
            "updated_at": tx.now,
        },
    )
    shown = await secrets.issue(tx, means, owner.tenant_id, webhook_id, command.schemes)
    made = await _held(tx, caller, webhook_id)
    await history.record(tx, caller, made, Change.REGISTERED, url=made.url)
    await _challenge(tx, means, made)
    return NewWebhook(made, shown)


async def resend_challenge(tx: Transaction, means: Means, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """A new challenge for a PENDING endpoint; the older one proves nothing any more. Raises RuleBroken WEBHOOK_STATE."""
    found = await _keep(tx, caller, webhook_id)
    if found.state is not WebhookState.PENDING:
        raise _wrong_state("only a pending endpoint is challenged")
    return await _challenge_anew(tx, means, caller, found)


async def confirm(tx: Transaction, caller: Caller, webhook_id: uuid.UUID, challenge: str) -> Webhook:
    """Make a PENDING endpoint active by the challenge its receiver was sent, for receivers that cannot answer at once.

    Raises RuleBroken WEBHOOK_STATE; InvalidInput WEBHOOK_CHALLENGE for any other text.
    """
    found = await _keep(tx, caller, webhook_id)
    if found.state is not WebhookState.PENDING:
        raise _wrong_state("only a pending endpoint is confirmed")
    if not hmac.compare_digest(found.challenge.encode(), challenge.encode(errors="replace")):
        raise InvalidInput.because(Code.WEBHOOK_CHALLENGE, Code.WEBHOOK_CHALLENGE.summary, "challenge")
    return await delivering.confirm(tx, caller, found)


async def update(
    tx: Transaction, means: Means, caller: Caller, webhook_id: uuid.UUID, command: UpdateWebhook
) -> Webhook:
    """Change an endpoint that still has this version; None leaves a value as it is.

    Another URL has to answer a challenge of its own before it gets anything. Raises InvalidInput WEBHOOK_URL,
    WEBHOOK_OPTIONS, SEARCH_CRITERIA; Conflict VERSION_CONFLICT; RuleBroken WEBHOOK_STATE, STEP_UP_REQUIRED.
    """
    found = await _keep(tx, caller, webhook_id)
    if command.url is not None:
        registry.require_fresh(caller, tx.now)
    if found.version != command.version:
        raise Conflict.because(Code.VERSION_CONFLICT, Code.VERSION_CONFLICT.summary, "version")
    url = command.url if command.url is not None else found.url
    kinds = command.kinds if command.kinds is not None else found.kinds
    wanted = command.filter if command.filter is not None else found.filter
    description = command.description if command.description is not None else found.description
    problems = _check(means, url, description) + _check_choices(len(kinds), len(found.schemes))
    if problems:
        raise InvalidInput(problems)
    await _check_filter(tx, found.system_id, wanted)
    changed = await store.update_webhook(
        tx,
        found,
        url=url,
        description=description,
        kinds=sorted(kinds),
        filter=store.filter_document(wanted),
        payload=(command.payload or found.payload).value,
        is_ordered=found.is_ordered if command.is_ordered is None else command.is_ordered,
        paused_until=None,
    )
    names = [
        name
        for name in ("url", "description", "kinds", "filter", "payload", "is_ordered")
        if getattr(command, name) is not None
    ]
    await history.record(tx, caller, changed, Change.UPDATED, changed=names)
    if url != found.url:
        registry.require_fresh(caller, tx.now)
        return await _challenge_anew(tx, means, caller, changed)
    return changed


async def rotate_secret(
    tx: Transaction,
    means: Means,
    caller: Caller,
    webhook_id: uuid.UUID,
    *,
    overlap: timedelta,
    idempotency_key: str | None = None,
) -> NewWebhook:
    """New secrets for an endpoint; for ``overlap`` old and new both sign. The HMAC one is shown once.

    Raises InvalidInput WEBHOOK_OPTIONS; RuleBroken WEBHOOK_STATE, STEP_UP_REQUIRED; Conflict IDEMPOTENCY_CONFLICT.
    """
    found = await _keep(tx, caller, webhook_id)
    registry.require_fresh(caller, tx.now)
    mark = fingerprint(None, webhook_id, overlap)
    if await registry.once(tx, caller, idempotency_key, "rotateWebhookSecret", mark, new_id()) is not None:
        return NewWebhook(found, None)
    shown = await secrets.replace(tx, means, found.tenant_id, found.id, found.schemes, overlap)
    changed = await store.update_webhook(tx, found)
    details = {"overlap_seconds": int(overlap.total_seconds())}
    await history.record(tx, caller, changed, Change.SECRET_ROTATED, **details)
    return NewWebhook(changed, shown)


async def disable(tx: Transaction, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """The endpoint gets nothing until it is enabled; what it misses meanwhile waits in the log."""
    found = await _keep(tx, caller, webhook_id)
    if found.state is WebhookState.DISABLED:
        return found
    why = DisabledReason.ASKED
    changed = await store.update_webhook(
        tx, found, state=WebhookState.DISABLED.value, disabled_reason=why.value
    )
    await history.record(tx, caller, changed, Change.DISABLED, reason=why.value)
    return changed


async def enable(tx: Transaction, means: Means, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """A disabled endpoint goes on where it stopped; one that never answered a challenge for its URL gets one first."""
    found = await _keep(tx, caller, webhook_id)
    if found.state is not WebhookState.DISABLED:
        return found
    is_proved = found.confirmed_at is not None
    state = WebhookState.ACTIVE if is_proved else WebhookState.PENDING
    changed = await store.update_webhook(
        tx,
        found,
        state=state.value,
        disabled_reason=None,
        failing_since=None,
        warned_at=None,
        paused_until=None,
    )
    await history.record(tx, caller, changed, Change.ENABLED)
    if not is_proved:
        return await _challenge_anew(tx, means, caller, changed)
    await store_deliveries.hurry(tx, changed)
    await dispatching.call(tx, changed.tenant_id, changed.id)
    return changed


async def remove(tx: Transaction, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """The endpoint ends for ever: what it had to get is cancelled, its secrets sign nothing more, its log stays."""
    found = await _keep(tx, caller, webhook_id, or_removed=True)
    if found.state is WebhookState.REMOVED:
        return found
    await store_deliveries.cancel(tx, found, *DeliveryKind)
    await store.expire_secrets(tx, found.tenant_id, found.id, tx.now)
    changed = await store.update_webhook(tx, found, state=WebhookState.REMOVED.value, disabled_reason=None)
    await history.record(tx, caller, changed, Change.REMOVED)
    return changed


# Reading


async def find_webhook(read: Read, caller: Caller, webhook_id: uuid.UUID) -> Webhook | None:
    """One endpoint, when the caller may see it."""
    return await store.find_webhook(read, webhook_id, access.visible(caller))


async def list_webhooks(
    read: Read, caller: Caller, *, system_id: uuid.UUID | None, after: uuid.UUID | None, limit: int
) -> list[Webhook]:
    """The endpoints the caller may see that were not removed, in the order of their registration."""
    registry.require_known(caller)
    where = and_(access.visible(caller), webhook.c.state != WebhookState.REMOVED.value)
    if system_id is not None:
        where = and_(where, webhook.c.system_id == system_id)
    return await store.list_webhooks(read, where, after, limit)


async def secrets_of(
    read: Read, caller: Caller, webhooks: Sequence[Webhook]
) -> dict[uuid.UUID, list[SecretMark]]:
    """What may be seen of the secrets of endpoints the caller was let see."""
    registry.require_known(caller)
    return await store.list_secret_marks(read, webhooks, read.now)


async def history_of(read: Read, caller: Caller, of: Webhook) -> list[HistoryEntry]:
    """The last hundred changes of an endpoint the caller was let see, newest first."""
    registry.require_known(caller)
    return await store.list_history(read, of)


# Steps


async def keep(tx: Transaction, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """An endpoint whose row is held, for its keeper; raises NotFound, NotAllowed, RuleBroken WEBHOOK_STATE."""
    return await _keep(tx, caller, webhook_id)


async def _keep(
    tx: Transaction, caller: Caller, webhook_id: uuid.UUID, *, or_removed: bool = False
) -> Webhook:
    registry.require_known(caller)
    found = await _held(tx, caller, webhook_id)
    access.require_keeper(caller)
    if found.state is WebhookState.REMOVED and not or_removed:
        raise _wrong_state("a removed endpoint stays removed")
    return found


async def _held(tx: Transaction, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    found = await store.find_webhook(tx, webhook_id, access.visible(caller), lock=True)
    if found is None:
        raise access.absent("id")
    return found


async def _keep_system(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> registry.System:
    """The system an endpoint is registered for: the caller itself, or one of the person's own agency."""
    known = registry.require_known(caller)
    found = await registry.find_system(tx, caller, system_id)
    is_own = found is not None and (
        isinstance(known, HubCaller)
        or (isinstance(known, SystemCaller) and known.system_id == found.id)
        or (
            isinstance(known, PersonCaller)
            and (known.tenant_id, known.agency_id) == (found.tenant_id, found.agency_id)
        )
    )
    if found is None or not is_own:
        raise access.absent("systemId")
    access.require_keeper(caller)
    registry.require_fresh(caller, tx.now)
    if found.status is not registry.SystemStatus.ACTIVE:
        raise RuleBroken.because(Code.SYSTEM_NOT_ACTIVE, Code.SYSTEM_NOT_ACTIVE.summary, "systemId")
    return found


def _check(means: Means, url: str, description: str) -> list[Problem]:
    problems = []
    why = "an endpoint's URL is too long" if len(url) > URL_CHARACTERS_MAX else means.url_problem(url)
    if why is not None:
        problems.append(Problem(Code.WEBHOOK_URL, why, ("url",)))
    is_line = description.isprintable() and len(description) <= DESCRIPTION_CHARACTERS_MAX
    if not is_line:
        message = f"a description is one line of at most {DESCRIPTION_CHARACTERS_MAX} characters"
        problems.append(Problem(Code.WEBHOOK_OPTIONS, message, ("description",)))
    return problems


async def _check_filter(read: Read, system_id: uuid.UUID, wanted: Filter) -> None:
    """Refuse now what the feed would refuse this system later; raises InvalidInput SEARCH_CRITERIA, NotAllowed."""
    system = await registry.acting_system(read, system_id)
    if system is None:
        raise RuleBroken.because(Code.SYSTEM_NOT_ACTIVE, Code.SYSTEM_NOT_ACTIVE.summary, "systemId")
    require_reader(system, wanted)
    on_postings(system, wanted)


def _check_choices(kinds: int, schemes: int) -> list[Problem]:
    problems = []
    if not kinds:
        problems.append(Problem(Code.WEBHOOK_OPTIONS, "name at least one kind", ("kinds",)))
    if not schemes:
        problems.append(Problem(Code.WEBHOOK_OPTIONS, "name at least one way of signing", ("signatures",)))
    return problems


def _new_challenge() -> str:
    return randomness.token_urlsafe(CHALLENGE_BYTES)


async def _challenge_anew(tx: Transaction, means: Means, caller: Caller, found: Webhook) -> Webhook:
    """A fresh challenge; until it is answered the endpoint is PENDING, and nothing else is sent to it."""
    state = WebhookState.DISABLED if found.state is WebhookState.DISABLED else WebhookState.PENDING
    changed = await store.update_webhook(
        tx, found, state=state.value, challenge=_new_challenge(), confirmed_at=None
    )
    await store_deliveries.cancel(tx, changed, DeliveryKind.CHALLENGE)
    if state is WebhookState.PENDING:
        await history.record(tx, caller, changed, Change.CHALLENGED, url=changed.url)
        await _challenge(tx, means, changed)
    return changed


async def _challenge(tx: Transaction, means: Means, of: Webhook) -> None:
    body = payloads.challenge_body(of.challenge)
    message = Message(DeliveryKind.CHALLENGE, payloads.CHALLENGE_TYPE, f"chl_{new_id()}", body)
    await dispatching.put(tx, means, of, [message])


def _wrong_state(message: str) -> RuleBroken:
    return RuleBroken.because(Code.WEBHOOK_STATE, message, "id")
