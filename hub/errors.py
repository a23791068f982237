"""The error families: what a rule may raise and what the edges make of it.

HubError
├── Refusal              the caller's doing: shown with code and path, logged at info
│   ├── InvalidInput     the input breaks rules; carries every problem found
│   ├── NotAuthenticated no key, a wrong key, a dead session (HTTP 401)
│   ├── NotAllowed       known caller, missing right
│   ├── NotFound         absent, or not visible to this caller: the two are not told apart
│   ├── Conflict         somebody was there first (duplicate, version, idempotency)
│   ├── RuleBroken       well-formed, but the state of things forbids it
│   └── TooMany          a rate or count limit was tripped
│       └── Busy         the hub has more to do than it soon can
└── Fault                ours or outside: masked for the caller, logged at error
    ├── OutsideUnavailable
    ├── OutsideUnreadable
    └── Corrupted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hub.codes import Code


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: a code that never changes its meaning, where, and why in words."""

    code: Code
    message: str
    path: tuple[str | int, ...] = ()

    def under(self, *prefix: str | int) -> Problem:
        """The same problem, seen from further outside."""
        return Problem(self.code, self.message, (*prefix, *self.path))


@dataclass(frozen=True, slots=True)
class RequestProblem(Problem):
    """Concerns a request as a whole although one of its items reports it: the path is whole, nothing goes before."""

    def under(self, *_prefix: str | int) -> Problem:
        """The problem as it is."""
        return self


class HubError(Exception):
    """Root of everything the hub raises on purpose."""


class Refusal(HubError):
    """The caller's doing. Carries one or more problems; the transaction rolls back."""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(f"{p.code}: {p.message}" for p in self.problems))

    @classmethod
    def because(cls, code: Code, message: str, *path: str | int) -> Self:
        """Shorthand for a refusal with a single problem."""
        return cls(Problem(code, message, path))


class InvalidInput(Refusal):
    """The input breaks rules."""


class NotAuthenticated(Refusal):
    """Nobody, or nobody we know."""


class NotAllowed(Refusal):
    """Known, but without the right."""


class NotFound(Refusal):
    """Absent or invisible."""


class Conflict(Refusal):
    """Another fact is already there."""


class RuleBroken(Refusal):
    """The state of things forbids it."""


class TooMany(Refusal):
    """A limit was tripped; ``retry_after_seconds`` says when to come back."""

    def __init__(self, problems: Problem | Sequence[Problem], *, retry_after_seconds: int = 60) -> None:
        super().__init__(problems)
        self.retry_after_seconds = retry_after_seconds


class Busy(TooMany):
    """The hub has more to do than it soon can; nothing was written (HTTP 503, not the caller's doing)."""


class Fault(HubError):
    """Ours or outside: the caller sees a trace id, the log sees the rest."""


class OutsideUnavailable(Fault):
    """An outside system did not answer in time."""


class OutsideUnreadable(Fault):
    """An outside system answered something we do not understand."""


class Corrupted(Fault):
    """Our own rows contradict each other."""
