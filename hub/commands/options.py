"""What the commands share: options, and how they say that something went wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import SecretStr
from rich.console import Console

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where everything lies; default: HUB_DATA_DIR or .hub")
]
Parent = Annotated[int | None, typer.Option(hidden=True, help="End when this process does.")]


def fail(text: str, code: int = 1) -> NoReturn:
    """Say it in red and end with this exit code."""
    Console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def revealed(value: SecretStr | None) -> str:
    """A secret's text; empty where there is none."""
    return value.get_secret_value() if value is not None else ""
