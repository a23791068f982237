"""What both entry points, the web process and the worker, build from the settings."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

from hub.adapters.outbound import Policy, url_problem
from hub.db import Database, Reading
from hub.domain.transparency import Witness
from hub.means import LogKeys, Means, SecondFactorPolicy, VaultKeys
from hub.settings import Settings
from hub.signing import HubKey
from hub.wakeups import Wakeups


def make_means(settings: Settings) -> Means:
    """The hub's own keys and names."""
    return Means(
        domain=settings.domain,
        signing_key=HubKey.from_seed(settings.secret_bytes("signing_key")),
        master_key=settings.secret_bytes("master_key"),
        log_keys=_log_keys(settings),
        vault_keys=VaultKeys(settings.secret_bytes("vault_key"), settings.previous_vault_key()),
        log_promise=timedelta(seconds=settings.log_promise_seconds),
        environments=settings.environments,
        development=settings.mode == "development",
        second_factor=SecondFactorPolicy(settings.second_factor_policy()),
        url_problem=partial(url_problem, policy=make_policy(settings)),
    )


def make_policy(settings: Settings) -> Policy:
    """Which addresses the hub calls."""
    return Policy.of(settings.outbound_private)


def make_witnesses(settings: Settings) -> tuple[Witness, ...]:
    """Who is asked to cosign checkpoints; raises ValueError or NoteRefused for what names none."""
    return Witness.read(settings.witnesses)


def _log_keys(settings: Settings) -> LogKeys:
    previous = settings.previous_log_key()
    return LogKeys(
        HubKey.from_seed(settings.secret_bytes("log_key")),
        HubKey.from_seed(previous) if previous is not None else None,
    )


def connect(settings: Settings) -> tuple[Database, Wakeups]:
    """The database as the application's role, and the wake-up calls its commits send."""
    if settings.database_url is None or settings.redis_url is None:
        raise ValueError("HUB_DATABASE_URL and HUB_REDIS_URL are required; `fiscal-hub run` provides them")
    wakeups = Wakeups(settings.redis_url.get_secret_value())
    db = Database.connect(
        settings.database_url.get_secret_value(),
        nudge=wakeups.nudge,
        reading=Reading(
            settings.database_read_url.get_secret_value() if settings.database_read_url else "",
            settings.read_pool_size,
        ),
        pool_size=settings.pool_size,
        statement_timeout_ms=settings.statement_timeout_ms,
        lock_timeout_ms=settings.lock_timeout_ms,
    )
    return db, wakeups


def mailbox_folder(settings: Settings) -> Path | None:
    """Where development's mail lies; None when a mail server is configured, or required (production)."""
    if settings.mode == "development" and settings.smtp_host is None:
        return settings.data_dir / "mailbox"
    return None
