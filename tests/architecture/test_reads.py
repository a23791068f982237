"""The storage mapping follows the schema: what is mapped is open, and what is not mapped is known."""

from __future__ import annotations

from graphql import GraphQLObjectType, get_named_type, get_nullable_type, is_leaf_type, is_list_type

from hub.api import build_schema
from hub.reads import Each, Leaf, Many, Wire
from hub.reads.compiling import is_open
from hub.resolvers import posting_reads

SCHEMA = build_schema()._schema
STORAGE = posting_reads.storage()
WIRES = {
    Wire.NUMBER: {"Int"},
    Wire.DAY: {"Date"},
    Wire.INSTANT: {"Instant"},
    Wire.BYTES: {"Bytes"},
    Wire.ATTRIBUTES: {"Attributes"},
    Wire.PERSONAL: {"String"},
    Wire.TEXT: {"String"},
}
# Text that is written without escapes: it has to be of a kind that never needs one.
WORDS = {"ID", "Amount", "BigInt", "String"}
UNESCAPED_STRINGS = {"contentDigest", "sha256", "root"}


def shape(name: str) -> GraphQLObjectType:
    """The schema's type of a shape."""
    found = SCHEMA.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def test_every_field_of_a_mapped_type_is_mapped() -> None:
    missing = {
        f"{name}.{field}"
        for name, mapped in STORAGE.shapes.items()
        for field in set(shape(name).fields) ^ set(mapped.fields)
    }
    assert missing == set()


def test_nothing_stands_around_what_is_compiled() -> None:
    """Compiling passes by Strawberry's extensions and permissions: a mapped field has none."""
    query = SCHEMA.query_type
    assert query is not None
    closed = [name for name in STORAGE.roots if not is_open(query.fields[name])]
    for name, mapped in STORAGE.shapes.items():
        closed += [f"{name}.{field}" for field in mapped.fields if not is_open(shape(name).fields[field])]
    assert closed == []


def test_values_are_written_as_their_types_are() -> None:
    wrong = []
    for name, mapped in STORAGE.shapes.items():
        for field, how in mapped.fields.items():
            definition = shape(name).fields[field]
            kind = get_named_type(definition.type)
            leaf = how.of if isinstance(how, Many) else how
            if is_list_type(get_nullable_type(definition.type)) != isinstance(how, Many | Each):
                wrong.append(f"{name}.{field} is a list or not")
            if is_leaf_type(kind) != isinstance(leaf, Leaf):
                wrong.append(f"{name}.{field} is a leaf or not")
            elif isinstance(leaf, Leaf) and kind.name not in WIRES.get(leaf.wire, WORDS) | _enums(kind, leaf):
                wrong.append(f"{name}.{field} is {kind.name}, written as {leaf.wire}")
            if isinstance(leaf, Leaf) and leaf.wire is Wire.WORD and kind.name == "String":
                assert field in UNESCAPED_STRINGS
    assert wrong == []


def _enums(kind: object, leaf: Leaf) -> set[str]:
    return {str(kind)} if leaf.wire is Wire.WORD and hasattr(kind, "values") else set()


def test_postings_are_guarded() -> None:
    guarded = {name for name, mapped in STORAGE.shapes.items() if mapped.guarded}
    postings = {kind.name for kind in SCHEMA.get_possible_types(SCHEMA.type_map["Posting"])}  # type: ignore[arg-type]
    # What is summed over postings is as guarded as they are.
    assert guarded == postings | {"InboxEntry", "EventTotal"}
