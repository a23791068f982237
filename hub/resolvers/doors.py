"""What all mutation doors share: a refusal raised inside becomes the payload's errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, get_type_hints

from hub.errors import NotAuthenticated, Refusal, TooMany
from hub.schema.problems import Payload, Problem

P = ParamSpec("P")
PayloadType = TypeVar("PayloadType", bound=Payload)


def door(resolver: Callable[P, Awaitable[PayloadType]]) -> Callable[P, Awaitable[PayloadType]]:
    """Answer a refusal as ``errors`` of the payload, with paths from the arguments' root.

    Being nobody (NotAuthenticated) and being too many (TooMany) concern the whole request, not one
    input: they stay top-level errors and set the HTTP status.
    """

    @functools.wraps(resolver)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> PayloadType:
        try:
            return await resolver(*args, **kwargs)
        except (NotAuthenticated, TooMany):
            raise
        except Refusal as refusal:
            payload: Any = get_type_hints(resolver)["return"]
            prefix = ("input",) if "input" in inspect.signature(resolver).parameters else ()
            return payload(errors=Problem.all(refusal.problems, *prefix))  # type: ignore[no-any-return]

    return answer
