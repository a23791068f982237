"""The printed schema and the printed error page are what the code says; the schema keeps the house's rules."""

from __future__ import annotations

import re

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_object_type

from hub import printed
from hub.api import build_schema
from hub.codes import Code
from hub.limits import Limits
from hub.resolvers import nodes
from hub.settings import Settings


@pytest.mark.parametrize("name", printed.PAGES)
def test_what_is_printed_equals_the_code(name: str) -> None:
    """When this fails: ``python -m hub.printed``, then say in CHANGELOG.md what changed for callers."""
    assert (printed.ROOT / name).read_text() == printed.PAGES[name]()


def test_every_code_is_on_the_error_page_once_with_a_sentence() -> None:
    listed = [code for _, code in printed.grouped() if code is not None]
    assert listed == list(Code)
    page = printed.errors_page()
    for code in Code:
        assert page.count(f"### {code.value}\n\n{code.summary}\n") == 1
        assert code.summary.endswith(".")


def test_the_codes_of_the_limits_page_exist_and_its_settings_too() -> None:
    page = (printed.ROOT / "docs/limits.md").read_text()
    for setting in re.findall(r"`HUB_([A-Z_]+)`", page):
        assert setting.lower() in Settings.model_fields
    for code in re.findall(r"\| `([A-Z_]+)` \|$", page, re.MULTILINE):
        assert code in Code.__members__
    for name in ("depth_max", "tokens_max", "aliases_max", "root_mutations_max", "cost_max"):
        assert f"{Settings.model_fields[name].default:,} | `HUB_{name.upper()}`" in page.replace("  ", " ")


def test_the_limits_have_the_same_defaults_everywhere() -> None:
    for name in Limits.__dataclass_fields__:
        assert getattr(Limits(), name) == Settings.model_fields[name].default


def test_every_node_of_the_schema_has_exactly_one_loader() -> None:
    prefixes = [prefix for room in nodes.ROOMS for prefix in room]
    assert len(prefixes) == len(set(prefixes))


def test_every_mutation_answers_a_payload_with_errors_and_takes_one_input() -> None:
    mutation = build_schema()._schema.mutation_type
    for name, field in (mutation.fields if mutation else {}).items():
        kind = get_named_type(field.type)
        assert isinstance(kind, GraphQLObjectType), name
        assert any(
            isinstance(one, GraphQLInterfaceType) and one.name == "Payload" for one in kind.interfaces
        ), name
        assert set(field.args) <= {"input"}, name
        payload = kind.extensions["strawberry-definition"].origin
        assert payload(errors=[]).errors == [], f"{name}: a refusal must be able to answer with errors alone"


def test_every_connection_is_paged_by_first_and_after() -> None:
    schema = build_schema()._schema
    for kind in schema.type_map.values():
        if not is_object_type(kind) or kind.name.startswith("__"):
            continue
        for name, field in kind.fields.items():
            if get_named_type(field.type).name.endswith("Connection"):
                assert {"first", "after"} <= set(field.args), f"{kind.name}.{name}"
