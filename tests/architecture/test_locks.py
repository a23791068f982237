"""The lock files: every dependency of pyproject.toml, pinned within its bounds, hashed, and from no named place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^ ;\\]+)", re.MULTILINE)
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(name: str) -> dict[str, str]:
    """Version by package of a lock file."""
    text = (ROOT / name).read_text()
    return {canonicalize_name(found["name"]): found["version"] for found in PIN.finditer(text)}


def wanted(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("lock", "extras"), [(LOCKS[0], ("build",)), (LOCKS[1], ("build", "dev"))])
def test_every_dependency_is_pinned_within_its_bounds(lock: str, extras: tuple[str, ...]) -> None:
    pinned = pins(lock)
    wrong = [
        str(each)
        for each in wanted(*extras)
        if (each.marker is None or each.marker.evaluate())
        and not each.specifier.contains(pinned.get(canonicalize_name(each.name), "none"))
    ]
    assert wrong == []


def test_both_lock_files_agree() -> None:
    run, dev = pins(LOCKS[0]), pins(LOCKS[1])
    assert {name: dev.get(name) for name in run} == run


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_file_names_an_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    unhashed = [
        block.split("\n")[0] for block in blocks if PIN.match(block) and "--hash=sha256:" not in block
    ]
    assert unhashed == []
    assert "://" not in text
    assert "index-url" not in text
