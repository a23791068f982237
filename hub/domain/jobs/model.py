"""What a job is: its states, the lease a worker holds on it, and when a failed attempt is repeated. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hub.errors import Fault

ATTEMPTS_MAX = 10
RETRY_SECONDS_FIRST = 2.0
RETRY_SECONDS_MAX = 900.0
ARGUMENTS_MAX = 32
ARGUMENT_CHARACTERS_MAX = 2_000
DEDUPE_CHARACTERS_MAX = 200

_NAME = re.compile(r"[a-z][a-z_]{0,30}\.[a-z][a-z_]{0,60}")

Argument = str | int | bool | None


class State(StrEnum):
    """Where a job stands; FAILED needs somebody's attention."""

    READY = "READY"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class Outcome(StrEnum):
    """How one attempt ended: LOST when its worker stopped renewing the lease, RELEASED when it gave it back."""

    DONE = "DONE"
    RETRY = "RETRY"
    FAILED = "FAILED"
    LOST = "LOST"
    RELEASED = "RELEASED"


class CannotSucceed(Fault):
    """A handler raises this when trying again cannot help: the job goes to FAILED at once."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process: its name (unlike any other, ever), how long its leases last, and the jobs it knows."""

    name: str
    lease_seconds: float
    handles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. The number of the attempt is the fence: only its holder may finish it."""

    id: uuid.UUID
    tenant_id: uuid.UUID | None
    name: str
    arguments: Mapping[str, Argument]
    attempt: int
    attempts_max: int

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure now is final."""
        return self.attempt >= self.attempts_max


@dataclass(frozen=True, slots=True)
class JobCount:
    """Unfinished and failed jobs of one name and state; how late the most overdue of the ready ones is."""

    name: str
    state: State
    count: int
    late_seconds: float


def check_job(name: str, arguments: Mapping[str, Argument], dedupe_key: str | None) -> None:
    """Raise ValueError for a job no worker should meet: a fault of the code that enqueues, not of a caller."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"a job is named room.verb_noun, not {name!r}")
    if len(arguments) > ARGUMENTS_MAX:
        raise ValueError(f"{name}: more than {ARGUMENTS_MAX} arguments")
    for key, value in arguments.items():
        if not isinstance(value, str | int | None):
            raise TypeError(f"{name}: argument {key} is neither text, whole number, truth value nor nothing")
        if isinstance(value, str) and len(value) > ARGUMENT_CHARACTERS_MAX:
            raise ValueError(f"{name}: argument {key} is longer than {ARGUMENT_CHARACTERS_MAX} characters")
    if dedupe_key is not None and not 0 < len(dedupe_key) <= DEDUPE_CHARACTERS_MAX:
        raise ValueError(f"{name}: a dedupe key has 1 to {DEDUPE_CHARACTERS_MAX} characters")


def retry_delay_seconds(attempt: int, chance: float) -> float:
    """The pause after a failed attempt: doubling up to a limit, and anywhere in the upper half of that.

    ``chance`` is in [0, 1); it spreads jobs that failed together, so that they do not come back together.
    """
    full = min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2.0 ** min(attempt - 1, 32))
    return full * (0.5 + chance / 2)
