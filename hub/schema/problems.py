"""The error entry of every payload, and the one place that turns a refusal into it."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry

from hub.codes import Code
from hub.errors import Problem as DomainProblem


@strawberry.type(description="One thing wrong with the input: a stable code, where it is, and why.")
class Problem:
    code: Code
    path: list[str] = strawberry.field(description="Where in the arguments, from outside in.")
    message: str

    @classmethod
    def of(cls, problem: DomainProblem) -> Problem:
        return cls(code=problem.code, path=[str(part) for part in problem.path], message=problem.message)

    @classmethod
    def all(cls, problems: Sequence[DomainProblem], *prefix: str | int) -> list[Problem]:
        return [cls.of(problem.under(*prefix)) for problem in problems]


@strawberry.interface(description="What every mutation answers: the object, or the problems found.")
class Payload:
    errors: list[Problem] = strawberry.field(default_factory=list, metadata={"list_size": 1})
