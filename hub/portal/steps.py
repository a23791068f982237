"""Steps that are asked about before they are taken: what they do is said, then done by one mutation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from hub.portal.asking import Outcome
from hub.portal.visits import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """A mutation, what its button says, and what it does to whom."""

    operation: str
    title: str
    warning: str
    is_dangerous: bool = False


async def confirmed(
    visit: Visit, step: Step, given: Mapping[str, Any] | None, *, back: str, subject: str
) -> Outcome | Response:
    """Take the step when its form was sent; else (or when it is refused) the page that asks. None: it takes no input."""
    problems: tuple[Any, ...] = ()
    if visit.request.method == "POST":
        variables = {} if given is None else {"input": dict(given)}
        outcome = await visit.ask(step.operation, **variables)
        visit.step_up_if_asked(outcome, visit.request.url.path)
        if not outcome.problems:
            return outcome
        problems = outcome.problems
    return visit.page("step.html", problems=problems, step=step, back=back, subject=subject)
