"""The house's own rules, checked: sizes, documents, names, and that a room has the shape of a room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub

ROOT = Path(hub.__file__).parent
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 6
# Six of a verb's own: the transaction, the caller and the hub's means come before the subject in every verb.
GIVEN = {"self", "cls", "tx", "read", "caller", "means"}
# Typer makes a command's options of its parameters.
COMMANDS = {"cli.py"}
DRAWERS = {"utils", "helpers", "common", "manager", "base", "misc"}
ROOMS = [
    "fiscal_events",
    "jobs",
    "programs",
    "reference",
    "registry",
    "retention",
    "transparency",
    "webhooks",
]
FILES = sorted(ROOT.rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, however deep."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_door(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A GraphQL field: its arguments are the API's, not ours to count."""
    return any("strawberry" in ast.unparse(decorator) for decorator in function.decorator_list)


def names_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Parameter names without those every verb is given."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument.arg for argument in arguments if argument.arg not in GIVEN]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_keeps_the_house_rules(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    broken: list[str] = []
    if text.strip() and not ast.get_docstring(tree):
        broken.append("the module says nothing of what lives here")
    if len(text.splitlines()) > FILE_LINES_MAX and path.name != "codes.py":
        broken.append(f"{len(text.splitlines())} lines: split it by topic")
    if path.stem in DRAWERS:
        broken.append("a drawer: name the file after what it knows")
    for function in functions(tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > FUNCTION_LINES_MAX:
            broken.append(f"{function.name} has {length} lines")
        if len(names_of(function)) > PARAMETERS_MAX and not is_door(function) and path.name not in COMMANDS:
            broken.append(f"{function.name} takes {len(names_of(function))} parameters")
    assert broken == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_its_files(room: str) -> None:
    """Verbs stand in service.py or, in a large room, in files by topic; the rest is the same everywhere."""
    folder = ROOT / "domain" / room
    assert {"__init__.py", "model.py", "store.py", "tables.py"} <= {path.name for path in folder.glob("*.py")}


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_front_door_offers_is_documented(room: str) -> None:
    module = __import__(f"hub.domain.{room}", fromlist=["__all__"])
    silent = [
        name
        for name in module.__all__
        if callable(getattr(module, name)) and not getattr(module, name).__doc__
    ]
    assert silent == []


@pytest.mark.parametrize("path", sorted((ROOT / "resolvers").glob("*.py")), ids=lambda path: path.name)
def test_doors_hold_no_queries(path: Path) -> None:
    text = path.read_text()
    assert "sqlalchemy" not in text
    assert ".store" not in text
