"""Random documents over the schema: valid as a rule, and using all that a document can use."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from tests.sameness.arguments import Values, sent, written

# What is read of postings, by how often it is asked for.
POSTING_ROOTS: Mapping[str, int] = {
    "fiscalEvents": 9,
    "fiscalEvent": 5,
    "fiscalMessage": 3,
    "inbox": 3,
    "sentMessages": 2,
    "fiscalEventTotals": 4,
    "node": 4,
}
# Roots that answer by drawing something, or that need a whole posting as their input.
LEFT_OUT = frozenset({"bytesToSign"})
ALIASES = (
    "a",
    "b",
    "id",
    "node",
    "edges",
    "from_",
    "data",
    "errors",
    "amount",
    "type",
    "_",
    "x1",
    "cursor",
    "to",
)
LEAVES_MAX = 7
# Below the hub's own limit, as repeated fields and fragments count as well.
ALIASES_MAX = 20
FRAGMENT = "F"


@dataclass(frozen=True)
class Document:
    """One request, and whether nothing but postings is asked for by it."""

    text: str
    variables: Mapping[str, Any]
    operation: str | None
    about_postings: bool


@dataclass
class _Operation:
    """What one operation has declared so far."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Response names and what they stand for: one meaning in the whole operation, so that all can be merged.
    names: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    aliases: int = 0
    fields: int = 0


class Writer:
    """Writes documents; the same dice and world give the same documents."""

    def __init__(self, schema: GraphQLSchema, known: Mapping[str, Sequence[Any]], seed: int) -> None:
        self.schema = schema
        self.dice = random.Random(seed)
        self.values = Values(self.dice, known)
        assert schema.query_type is not None
        self.query = schema.query_type
        self.others = sorted(set(self.query.fields) - set(POSTING_ROOTS) - LEFT_OUT)
        self.operation = _Operation("A")
        self.depth_max = 9

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.dice.random() < share

    def document(self) -> Document:
        """The next document."""
        about_postings = self.chance(0.8)
        self.depth_max = self.dice.choice((4, 6, 7, 8, 9, 9, 12))
        first = self._one("A", about_postings=about_postings)
        texts, variables, name = [first], dict(self.operation.sent), None
        if self.chance(0.08):
            second = self._one("B", about_postings=about_postings)
            texts.append(second)
            variables.update(self.operation.sent)
            name = self.dice.choice(("A", "A", "B", "B", "B", "C", None, ""))
        elif self.chance(0.2):
            name = self.dice.choice(("A", "A", "A", "A", "B"))
        if self.chance(0.03):
            variables["unasked"] = [1, {"a": None}]
        self.dice.shuffle(texts)
        return Document("\n".join(texts), variables, name, about_postings)

    def _one(self, name: str, *, about_postings: bool) -> str:
        self.operation = _Operation(name)
        roots = [
            self._root(about_postings=about_postings) for _ in range(self.dice.choice((1, 1, 1, 1, 2, 3)))
        ]
        if self.chance(0.1):
            roots.insert(self.dice.randrange(len(roots) + 1), "__typename")
        selection = self._wrapped(self.query, roots) if self.chance(0.08) else " ".join(roots)
        declared = ", ".join(f"${each}: {kind}" for each, kind in self.operation.variables.items())
        head = f"query {name}({declared})" if declared else f"query {name}"
        fragments = [
            f"fragment {each} on {on} {{ {text} }}" for each, (on, text) in self.operation.fragments.items()
        ]
        return "\n".join([f"{head} {{ {selection} }}", *fragments])

    def _root(self, *, about_postings: bool) -> str:
        if about_postings:
            (name,) = self.dice.choices(list(POSTING_ROOTS), list(POSTING_ROOTS.values()))
        else:
            name = self.dice.choice(self.others if self.chance(0.7) else list(POSTING_ROOTS))
        return self._field(self.query, name, 1)

    def _field(self, parent: Any, name: str, depth: int) -> str:
        definition: GraphQLField = parent.fields[name]
        self.operation.fields += 1
        arguments = self._arguments(name, definition)
        answer = self._answer_name(name, arguments, str(definition.type))
        kind = get_named_type(definition.type)
        below = f" {{ {self._selection(kind, depth + 1)} }}" if is_composite_type(kind) else ""
        label = name if answer == name else f"{answer}: {name}"
        return f"{label}{arguments}{self._directives()}{below}"

    def _answer_name(self, name: str, arguments: str, kind: str) -> str:
        """The response name: the field's own, or an alias where that is taken for something else, or for the sake of it."""
        known, meaning = self.operation.names, (name, arguments, kind)
        wanted = name
        if self.operation.aliases < ALIASES_MAX and self.chance(0.07):
            wanted = self.dice.choice(ALIASES)
        number = 0
        while known.setdefault(wanted, meaning) != meaning:
            number += 1
            wanted = f"{name}_{number}"
        self.operation.aliases += wanted != name
        return wanted

    def _directives(self) -> str:
        if not self.chance(0.06):
            return ""
        made = [self._directive(name) for name in ("skip", "include") if self.chance(0.6)]
        return "".join(made)

    def _directive(self, name: str) -> str:
        value = self.chance(0.75 if name == "include" else 0.25)
        if self.chance(0.5):
            return f" @{name}(if: {written(value)})"
        return f" @{name}(if: {self._variable('Boolean!', value)})"

    def _arguments(self, root: str, definition: GraphQLField) -> str:
        made = []
        for name, argument in definition.args.items():
            required = is_required_argument(argument)
            wanted = required or self.chance(0.85 if name == "first" else 0.4)
            if not wanted:
                continue
            value = self.values.argument(root, name, argument.type)
            if name in ("state", "order") and self.chance(0.1):
                value = None
            if self.chance(0.45):
                made.append(f"{name}: {self._variable(self._declared(argument.type, required), value)}")
            else:
                made.append(f"{name}: {self._literal(value, argument.type)}")
        self.dice.shuffle(made)
        return f"({', '.join(made)})" if made else ""

    def _declared(self, kind: Any, required: bool) -> str:
        """A variable's type for an argument: its own, stricter, or laxer where the argument has a default."""
        own = str(kind)
        if own.endswith("!"):
            return own if required or self.chance(0.5) else own[:-1]
        return own + "!" if self.chance(0.15) else own

    def _literal(self, value: Any, kind: Any) -> str:
        """A literal, in which members of an input object may be variables."""
        fields = getattr(get_named_type(kind), "fields", None)
        if not isinstance(value, dict) or not fields or not self.chance(0.4):
            return written(value)
        made = []
        for name, member in value.items():
            known = fields.get(name)
            if known is not None and self.chance(0.5):
                made.append(f"{name}: {self._variable(str(known.type), member)}")
            else:
                made.append(f"{name}: {written(member)}")
        return "{" + ", ".join(made) + "}"

    def _variable(self, kind: str, value: Any) -> str:
        name = f"{self.operation.name.lower()}{len(self.operation.variables) + 1}"
        lot = self.dice.random()
        declared, given = kind, True
        if value is not None and lot < 0.15:
            declared, given = f"{kind} = {written(value)}", False
        elif value is not None and lot < 0.22:
            declared = f"{kind} = {written(value)}"
        elif lot < 0.25:
            given = False
        self.operation.variables[name] = declared
        if given:
            odd = self.chance(0.01)
            self.operation.sent[name] = (
                self.dice.choice(([], 1.5, "1", {"a": 1}, None)) if odd else sent(value)
            )
        return f"${name}"

    def _selection(self, kind: Any, depth: int) -> str:
        parts = self._leaves(kind) if not isinstance(kind, GraphQLUnionType) else []
        if not isinstance(kind, GraphQLUnionType):
            parts += self._branches(kind, depth)
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            parts += self._narrowed(kind, depth)
        if not parts or self.chance(0.12):
            parts.append(self._leaf("__typename", "String!"))
        if self.chance(0.15):
            self.dice.shuffle(parts)
        if self.chance(0.2):
            cut = self.dice.randrange(len(parts))
            inner = parts[cut:]
            return " ".join([*parts[:cut], self._wrapped(kind, inner)])
        return " ".join(parts)

    def _leaf(self, name: str, kind: str) -> str:
        answer = self._answer_name(name, "", kind)
        return name if answer == name else f"{answer}: {name}"

    def _leaves(self, kind: Any) -> list[str]:
        names = [
            name for name, each in kind.fields.items() if not is_composite_type(get_named_type(each.type))
        ]
        wanted = (
            names
            if self.chance(0.1)
            else self.dice.sample(names, min(len(names), self.dice.randint(0, LEAVES_MAX)))
        )
        found = []
        for name in wanted:
            definition = kind.fields[name]
            if definition.args:
                continue
            found.append(self._leaf(name, str(definition.type)) + self._directives())
        if found and self.chance(0.03) and self.operation.aliases < ALIASES_MAX:
            self.operation.aliases += 1
            found.append(self.dice.choice(found))
        return found

    def _branches(self, kind: Any, depth: int) -> list[str]:
        names = [name for name, each in kind.fields.items() if is_composite_type(get_named_type(each.type))]
        if not names or depth > self.depth_max or self.operation.fields > 60:
            return []
        # Connections and edges are worth going through; a posting has many lists, of which a few are enough.
        if kind.name.endswith(("Connection", "Edge", "Entry", "Node")) or len(names) <= 2:
            wanted = [name for name in names if self.chance(0.85)]
        else:
            wanted = self.dice.sample(names, min(len(names), self.dice.choice((0, 1, 1, 2, 2, 3, 4))))
        found = []
        for name in wanted:
            if kind.fields[name].args and self.operation.aliases > ALIASES_MAX:
                continue
            found.append(self._field(kind, name, depth))
            if self.chance(0.06) and self.operation.aliases < ALIASES_MAX:
                # The same field once more: both selections are merged.
                self.operation.aliases += 1
                found.append(self._field(kind, name, depth))
        return found

    def _narrowed(self, kind: Any, depth: int) -> list[str]:
        """Inline fragments on some of what this can be."""
        possible: list[Any] = [*self.schema.get_possible_types(kind)]
        likely = [each for each in possible if each.name in ("FiscalEvent", "FiscalMessage")]
        wanted = likely if likely and self.chance(0.8) else self.dice.sample(possible, min(2, len(possible)))
        if kind.name == "Node" and self.chance(0.5):
            wanted = [self.schema.type_map["Posting"], *wanted]
        return [
            self._inside(each, self._selection(each, depth))
            for each in wanted
            if self.chance(0.75) and depth <= self.depth_max
        ]

    def _inside(self, kind: Any, text: str) -> str:
        return f"... on {kind.name}{self._directives()} {{ {text} }}"

    def _wrapped(self, kind: Any, parts: list[str]) -> str:
        """The same selection in a fragment: without a condition, on its type, on an interface of it, or by name."""
        text, on = " ".join(parts), kind
        if isinstance(kind, GraphQLObjectType) and kind.interfaces and self.chance(0.3):
            broader = self.dice.choice(kind.interfaces)
            inner = f"... on {kind.name} {{ {text} }}"
            text, on = inner, broader
        if self.chance(0.3) and on is kind:
            return f"...{self._directives()} {{ {text} }}"
        if self.chance(0.4):
            return self._inside(on, text)
        name = f"{FRAGMENT}{self.operation.name}{len(self.operation.fragments) + 1}"
        self.operation.fragments[name] = (on.name, text)
        spread = f"...{name}{self._directives()}"
        if self.operation.aliases < 16 and len(text) < 150 and self.chance(0.1):
            self.operation.aliases += text.count(" ") + 1
            return f"{spread} ...{name}"
        return spread
