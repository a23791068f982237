"""The executor of graphql-core, given coerced variables, and root fields' payloads instead of their arguments.

Everything below a root field (lists loaded beside it, nulls, errors and their paths) is ordinary execution.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, TypeGuard, cast

from graphql import ExecutionResult, GraphQLSchema, default_field_resolver, default_type_resolver
from graphql.execution import Executor
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues
from strawberry.execution import optimized_is_awaitable

from hub.limits import Operation

Payload = Callable[[], Awaitable[Any]]


class _Completer(Executor[Any]):
    """Executes one operation whose root fields are answered by ``payloads``, by answer name."""

    payloads: Mapping[str, Payload]

    def execute_field(
        self, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        """A root field's payload is awaited and completed; all other fields are resolved as ever."""
        payload = self.payloads.get(path.key) if path.prev is None else None
        if payload is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        nodes = [details.node for details in field_details_list]
        definition = self.schema.get_field(parent_type, nodes[0].name.value)
        assert definition is not None
        info = self.build_resolve_info(definition, nodes, parent_type, path)
        return self.complete_awaitable_value(
            definition.type, field_details_list, info, path, payload(), position_context
        )


async def complete(
    schema: GraphQLSchema,
    operation: Operation,
    values: VariableValues,
    context: Any,
    payloads: Mapping[str, Payload] | None = None,
) -> ExecutionResult:
    """The result of a prepared operation whose variables are coerced, and some of whose roots are answered."""
    executor = _Completer(
        schema,
        dict(operation.fragments),
        {name: FragmentDetails(fragment, None) for name, fragment in operation.fragments.items()},
        None,
        context,
        operation.node,
        values,
        default_field_resolver,
        default_type_resolver,
        default_field_resolver,
        is_awaitable=cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable),
    )
    executor.payloads = payloads or {}
    result: Any = executor.execute_operation()
    done: ExecutionResult = await result if isawaitable(result) else result
    return done
