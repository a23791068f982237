"""What a GraphQL document may cost: tokens, depth, aliases, root mutations, and a budget with multipliers.

A document is prepared once and kept: parsed under a token limit, measured on its syntax tree, validated,
and compiled into a small cost program. A request then only runs that program over its variables. Fragments
are measured once each, whatever the number of their spreads, so the analysis stays linear while the numbers
it computes count every spread.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
)
from graphql.validation import specified_rules
from strawberry import Schema
from strawberry.schema.schema import validate_document

from hub.codes import Code
from hub.costs import CostProgram, compile_cost
from hub.errors import InvalidInput, Refusal

INTROSPECTION = frozenset({"__schema", "__type"})
INTROSPECTION_DEPTH_MAX = 20
# Pairs of equal response names in one place that validation has to compare with each other.
REPEATED_PAIRS_MAX = 2_000
# What a prepared document takes in memory, by character of its text (measured: about 140), and the SQL kept for it.
COMPILED_PER_CHARACTER = 100
COMPILED_PER_DOCUMENT = 20_000
BYTES_PER_CHARACTER = 200 + COMPILED_PER_CHARACTER
BYTES_PER_DOCUMENT = 4_096 + COMPILED_PER_DOCUMENT


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one hub; every one has an HUB_ setting of the same name."""

    depth_max: int = 10
    tokens_max: int = 2_000
    aliases_max: int = 30
    root_mutations_max: int = 5
    cost_max: int = 20_000
    document_chars_max: int = 100_000
    document_cache_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a selection reaches, with all its fragments counted in."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    fields: int = 0
    pairs: int = 0
    names: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a prepared document."""

    node: OperationDefinitionNode
    kind: str
    roots: tuple[str, ...]
    cost: CostProgram
    introspection_only: bool
    fragments: Mapping[str, FragmentDefinitionNode]
    # How many characters of SQL may be kept for this operation.
    room: int
    # What compilers keep about this operation; it goes when the document goes.
    compiled: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that parsed, kept within the limits and validated, or what was wrong with it."""

    document: DocumentNode | None = None
    operations: Mapping[str | None, Operation] = field(default_factory=dict)
    errors: tuple[GraphQLError, ...] = ()
    refusal: Refusal | None = None

    def operation(self, name: str | None) -> Operation | None:
        """The operation to run: the named one, or the only one."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(name) if name is not None else None


def _refuse(code: Code, message: str) -> Refusal:
    return InvalidInput.because(code, message)


class _Ruler:
    """Measures definitions on their syntax trees; each fragment once, callees before callers."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.extents: dict[str, Extent] = {}
        for name in _callees_first(self.fragments):
            self.extents[name] = self.extent(self.fragments[name].selection_set)

    def extent(self, selections: SelectionSetNode | None) -> Extent:
        """Of one selection; a spread that closes a cycle counts nothing (validation refuses it)."""
        depth = introspection = aliases = fields = pairs = 0
        names: Counter[str] = Counter()
        direct: set[str] = set()
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                inner = self.extent(node.selection_set)
                answer = (node.alias or node.name).value
                # Naming a field again is an alias in all but name: it is validated and run again.
                aliases += inner.aliases + (node.alias is not None or answer in direct)
                direct.add(answer)
                names[answer] += 1
                fields += 1
                pairs += inner.pairs
                hidden = node.name.value in INTROSPECTION
                depth = max(depth, 1 if hidden else 1 + inner.depth)
                introspection = max(introspection, inner.depth if hidden else inner.introspection_depth)
                continue
            inner = self._spread(node)
            aliases += inner.aliases
            fields += inner.fields
            pairs += inner.pairs
            names.update(inner.names)
            depth = max(depth, inner.depth)
            introspection = max(introspection, inner.introspection_depth)
        pairs += sum(count * (count - 1) // 2 for count in names.values())
        return Extent(depth, introspection, aliases, fields, pairs, names)

    def _spread(self, node: Any) -> Extent:
        if isinstance(node, InlineFragmentNode):
            return self.extent(node.selection_set)
        return self.extents.get(node.name.value, Extent())


def _spreads(selections: SelectionSetNode) -> list[str]:
    found: list[str] = []
    stack: list[Any] = [selections]
    while stack:
        for node in stack.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                found.append(node.name.value)
            elif node.selection_set is not None:
                stack.append(node.selection_set)
    return found


def _callees_first(fragments: Mapping[str, FragmentDefinitionNode]) -> list[str]:
    """The fragments in an order in which each comes after those it spreads; without recursion."""
    order: list[str] = []
    seen: set[str] = set()
    for root in fragments:
        stack = [(root, False)]
        while stack:
            name, done = stack.pop()
            if done:
                order.append(name)
            elif name not in seen and name in fragments:
                seen.add(name)
                stack.append((name, True))
                stack.extend((callee, False) for callee in _spreads(fragments[name].selection_set))
    return order


def _check_extent(extent: Extent, kind: OperationType, limits: Limits) -> None:
    if extent.depth > limits.depth_max:
        raise _refuse(Code.DEPTH_LIMIT, f"the selection is {extent.depth} deep; at most {limits.depth_max}")
    if extent.introspection_depth > INTROSPECTION_DEPTH_MAX:
        raise _refuse(Code.DEPTH_LIMIT, f"introspection goes at most {INTROSPECTION_DEPTH_MAX} deep")
    if extent.aliases > limits.aliases_max:
        raise _refuse(
            Code.ALIAS_LIMIT, f"{extent.aliases} aliases and repeated fields; at most {limits.aliases_max}"
        )
    if extent.pairs > REPEATED_PAIRS_MAX:
        raise _refuse(Code.ALIAS_LIMIT, "fragments repeat the same fields too often in one place")
    if kind is OperationType.MUTATION and extent.fields > limits.root_mutations_max:
        raise _refuse(
            Code.ROOT_MUTATION_LIMIT,
            f"{extent.fields} mutations in one request; at most {limits.root_mutations_max}",
        )


def _parse(text: str, limits: Limits) -> DocumentNode:
    if len(text) > limits.document_chars_max:
        raise _refuse(
            Code.DOCUMENT_SIZE,
            f"a document has at most {limits.document_chars_max} characters; send values as variables",
        )
    try:
        # Comments cost tokens as well, hence the two limits of the parser.
        return parse(text, max_lexical_tokens=limits.tokens_max, max_comments=limits.tokens_max)
    except GraphQLSyntaxError as error:
        if error.message.endswith("nested too deeply. Parsing aborted."):
            raise _refuse(
                Code.DEPTH_LIMIT, f"the document is nested deeper than {limits.depth_max}"
            ) from None
        if error.message.endswith(" Parsing aborted."):
            raise _refuse(Code.TOKEN_LIMIT, f"a document has at most {limits.tokens_max} tokens") from None
        raise


class Documents:
    """Prepares documents and keeps them, least recently used out first, within a bound of bytes."""

    def __init__(self, schema: Schema, limits: Limits) -> None:
        self.limits = limits
        self._schema = schema
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._bytes = 0

    @property
    def core(self) -> GraphQLSchema:
        """The schema as graphql-core executes it."""
        return self._schema._schema  # noqa: SLF001 - strawberry publishes no other way to it

    def prepare(self, text: str) -> Prepared:
        """The prepared document of a text, from memory when it was seen before."""
        prepared = self._kept.get(text)
        if prepared is not None:
            self._kept.move_to_end(text)
            return prepared
        prepared = self._prepare(text)
        self._keep(text, prepared)
        return prepared

    def _keep(self, text: str, prepared: Prepared) -> None:
        size = _size(text)
        if size > self.limits.document_cache_bytes or len(text) > self.limits.document_chars_max:
            return
        self._kept[text] = prepared
        self._bytes += size
        while self._bytes > self.limits.document_cache_bytes:
            dropped, _ = self._kept.popitem(last=False)
            self._bytes -= _size(dropped)

    def _prepare(self, text: str) -> Prepared:
        try:
            document = _parse(text, self.limits)
            ruler = _Ruler(document)
            operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
            extents = [ruler.extent(node.selection_set) for node in operations]
            for node, extent in zip(operations, extents, strict=True):
                _check_extent(extent, node.operation, self.limits)
        except Refusal as refusal:
            return Prepared(refusal=refusal)
        except GraphQLError as error:
            return Prepared(errors=(error,))
        errors = validate_document(self.core, document, specified_rules)
        if errors:
            return Prepared(errors=tuple(errors))
        return Prepared(
            document,
            {
                node.name.value if node.name else None: self._operation(
                    node,
                    ruler,
                    (COMPILED_PER_DOCUMENT + COMPILED_PER_CHARACTER * len(text)) // len(operations),
                )
                for node in operations
            },
        )

    def _operation(self, node: OperationDefinitionNode, ruler: _Ruler, room: int) -> Operation:
        roots = tuple(_root_names(node.selection_set, ruler.fragments))
        return Operation(
            node=node,
            kind=node.operation.value,
            roots=roots,
            cost=compile_cost(self.core, node, ruler.fragments),
            introspection_only=not node.variable_definitions
            and not node.directives
            and all(name.startswith("__") for name in roots),
            fragments=ruler.fragments,
            room=room,
        )


def _size(text: str) -> int:
    return BYTES_PER_DOCUMENT + BYTES_PER_CHARACTER * len(text)


def _root_names(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> dict[str, None]:
    """The root fields of a validated operation in order, each once: what metrics and logs may name."""
    found: dict[str, None] = {}
    stack: list[Any] = [*reversed(selections.selections)]
    spread: set[str] = set()
    while stack:
        node = stack.pop()
        if isinstance(node, FieldNode):
            found[node.name.value] = None
        elif isinstance(node, InlineFragmentNode):
            stack.extend(reversed(node.selection_set.selections))
        elif node.name.value not in spread:
            spread.add(node.name.value)
            stack.extend(reversed(fragments[node.name.value].selection_set.selections))
    return found
