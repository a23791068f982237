"""Random selections on the payloads of mutations, using all that a selection can use."""

from __future__ import annotations

import random
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type, is_composite_type, is_required_argument

DEPTH_MAX = 6
SWITCHES = {"yes": True, "no": False}


class PayloadSelections:
    """Writes mutations over one ``$input``, with ``$yes`` and ``$no`` for directives."""

    def __init__(self, schema: GraphQLSchema, seed: int) -> None:
        self.schema = schema
        self.dice = random.Random(seed)
        self.aliases = 0

    def document(self, root: str, kind: str, *, deep: bool) -> str:
        """One mutation; unless it is deep, of what a posting's own row holds."""
        self.aliases = 0
        mutation = self.schema.mutation_type
        assert mutation is not None
        payload: Any = get_named_type(mutation.fields[root].type)
        fragment = f"fragment F on {payload.name} {self._selection(payload, 2, deep=deep)}"
        inner = self._selection(payload, 1, deep=deep)
        spread = f"{inner[:-1]} ...F }}" if self.dice.random() < 0.4 else inner
        typename = "t: __typename " if self.dice.random() < 0.2 else ""
        return (
            f"mutation($input: {kind}!, $yes: Boolean!, $no: Boolean = false) {{ {typename}"
            f"{root}(input: $input) {spread} alias: __typename @include(if: $yes) @skip(if: $no) }} "
            f"{fragment if '...F' in spread else ''}"
        )

    def _selection(self, kind: Any, depth: int, *, deep: bool) -> str:
        names = [name for name, field in kind.fields.items() if self._may(field, depth, deep=deep)]
        chosen = self.dice.sample(names, min(len(names), self.dice.choice((1, 2, 4, 7))))
        if "event" in names and self.dice.random() < 0.7 and "event" not in chosen:
            chosen.append("event")
        parts = [self._field(kind, name, depth, deep=deep) for name in chosen]
        if self.dice.random() < 0.3:
            parts.append("__typename")
        if self.dice.random() < 0.15:
            parts.append(f"... on {kind.name} {{ __typename }}")
        return "{ " + " ".join(parts) + " }"

    def _may(self, field: Any, depth: int, *, deep: bool) -> bool:
        inner = get_named_type(field.type)
        if any(is_required_argument(argument) for argument in field.args.values()):
            return False
        if is_composite_type(inner):
            return depth < DEPTH_MAX and isinstance(inner, GraphQLObjectType)
        return deep or field.extensions["strawberry-definition"].is_basic_field

    def _field(self, kind: Any, name: str, depth: int, *, deep: bool) -> str:
        inner = get_named_type(kind.fields[name].type)
        alias = ""
        if self.aliases < 15 and self.dice.random() < 0.15:
            self.aliases += 1
            alias = f"a{self.aliases}: "
        directive = self.dice.choice(
            ("", "", "", "", "", " @skip(if: $no)", " @skip(if: $yes)", " @include(if: true)")
        )
        # Directives with variables below a posting are left to ordinary execution.
        directive = directive if depth < 3 or self.dice.random() < 0.1 else ""
        below = ""
        if is_composite_type(inner):
            below = f" {self._selection(inner, depth + 1, deep=deep)}"
        return f"{alias}{name}{directive}{below}"
