"""Names, arguments and delays of jobs, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.jobs.model import check_job, retry_delay_seconds


@pytest.mark.parametrize(
    "name", ["send_code", "registry.", "Registry.send", "registry.send-code", "a.b.c", ""]
)
def test_a_name_that_is_not_room_dot_verb_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"room\.verb_noun"):
        check_job(name, {}, None)


@pytest.mark.parametrize("value", [1.5, b"bytes", ["list"], {"a": 1}])
def test_an_argument_that_is_no_plain_value_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="argument a"):
        check_job("registry.send_code", {"a": value}, None)


@pytest.mark.parametrize(
    ("arguments", "dedupe_key"),
    [({str(n): n for n in range(33)}, None), ({"a": "x" * 2_001}, None), ({}, ""), ({}, "x" * 201)],
    ids=["many arguments", "long argument", "empty dedupe key", "long dedupe key"],
)
def test_bounds_of_a_job(arguments: dict[str, Any], dedupe_key: str | None) -> None:
    with pytest.raises(ValueError, match=r"registry\.send_code"):
        check_job("registry.send_code", arguments, dedupe_key)


def test_a_well_formed_job_passes() -> None:
    check_job("registry.send_code", {"id": "x", "n": 1, "flag": True, "none": None}, "key")


def test_delays_double_up_to_the_limit_and_spread_over_the_upper_half() -> None:
    assert [retry_delay_seconds(n, 0.0) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 8.0]
    assert retry_delay_seconds(1, 0.5) == 1.5
    assert retry_delay_seconds(10, 0.0) == 450.0
    assert retry_delay_seconds(1_000_000, 0.0) == 450.0
