"""What is made of the results: the table's ratios, the picture, and the reading of PostgreSQL's log."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from bench import picture, table
from bench.limit import for_pgbench, parse_log, settled
from bench.processes import Weight


def figures(rate: float) -> dict[str, Any]:
    """A server's figures of a work."""
    return {
        "rate": rate,
        "p50_ms": 1.0,
        "p99_ms": 2.5,
        "server_cpu": 1.0,
        "database_cpu": 0.5,
        "requests": 1000,
        "memory_mb": 120.0,
    }


RESULTS: dict[str, Any] = {
    "made": "2026-11-23T20:00:00+00:00",
    "machine": {"processor": "A <fast> one", "cores": 2, "memory_gb": 25.3},
    "notes": ["All share the cores."],
    "sizes": {
        "10k": {
            "works": {
                "deep_page": {
                    "hub": figures(900.0),
                    "postgraphile": figures(300.0),
                    "orm": figures(20.0),
                    "pgbench": figures(1200.0),
                },
                "post_500": {
                    "hub": figures(12.0),
                    "postgraphile": None,
                    "orm": {"failed": "it broke"},
                    "pgbench": figures(48.0),
                },
            },
            "post_at_70": {"hub": figures(700.0)},
            "import": {"hub": {"events": 100_000, "seconds": 10.0, "events_per_second": 10_000.0}},
            "start_to_ready_seconds": {"hub": 1.5},
            "memory_peak_mb": {"hub": 140.0},
        }
    },
}


def test_the_table_has_rates_and_ratios() -> None:
    lines = table.render(RESULTS).splitlines()
    deep = next(line for line in lines if line.startswith("deep_page")).split()
    assert deep == ["deep_page", "900", "300", "20", "1,200", "3.00", "45.00", "0.75"]
    batches = next(line for line in lines if line.startswith("post_500")).split()
    assert batches == ["post_500", "6,000", "-", "-", "24,000", "-", "-", "0.25"]
    assert "posts at 70 % load, hub: 700/s, p50 1.0 ms, p99 2.5 ms" in lines
    assert "import, hub: 100,000 events in 10.0 s, 10,000 a second" in lines
    assert "memory under load, hub: 140 MB" in lines


def test_the_picture_is_svg_with_a_bar_for_every_rate() -> None:
    root = ET.fromstring(picture.draw(RESULTS))
    space = "{http://www.w3.org/2000/svg}"
    bars = [bar for bar in root.iter(f"{space}rect") if bar.get("height") == str(picture.BAR)]
    widths = [float(bar.get("width", "0")) for bar in bars]
    whole = picture.WIDTH - picture.LEFT - picture.RIGHT
    assert widths == [whole * 0.75, whole * 0.25, round(whole * 20 / 1200, 1), whole, whole * 0.25, whole]
    texts = [text.text for text in root.iter(f"{space}text")]
    assert "24,000" in texts
    assert any("A <fast> one" in (text or "") for text in texts)


LOG = """\
2026-11-23 20:00:00.123 UTC [77] hub_app@hub LOG:  execute __asyncpg_stmt_1__: SELECT a, $1::text
\tFROM posting WHERE id = $2 AND x = $10
2026-11-23 20:00:00.124 UTC [77] hub_app@hub DETAIL:  parameters: $1 = 'it''s', $2 = '7', $10 = NULL
2026-11-23 20:00:00.125 UTC [77] hub_app@hub LOG:  statement: BEGIN;
2026-11-23 20:00:00.126 UTC [78] hub_owner@hub LOG:  statement: SELECT secret
2026-11-23 20:00:00.127 UTC [77] hub_app@hub LOG:  execute s2: SELECT 2 FROM api_key
2026-11-23 20:00:00.128 UTC [77] hub_app@hub LOG:  statement: SELECT 3;
"""


def test_the_hubs_statements_are_read_with_their_parameters() -> None:
    assert parse_log(LOG) == [
        "SELECT a, 'it''s'::text\nFROM posting WHERE id = '7' AND x = NULL",
        "SELECT 3",
    ]


def test_pgbench_sees_no_variables() -> None:
    given = "SELECT '{\"a\":b}' || E'\\n:c', x::text, y[1:2], 'back\\:slash', ':it''s'"
    wanted = "SELECT E'{\"a\"\\x3Ab}' || E'\\n\\x3Ac', x::text, y[1: 2], E'back\\\\\\x3Aslash', E'\\x3Ait''s'"
    assert for_pgbench(given) == wanted


def test_the_first_second_of_the_limit_does_not_count() -> None:
    weight = Weight(database_cpu=8.0)
    seen = [(100.0, 0.9), (100.5, 0.5), (101.0, 0.1), (103.0, 0.2)]
    latencies, seconds, weight = settled(seen, weight)
    assert (latencies, seconds, weight.database_cpu) == ([0.1, 0.2], 2.0, 4.0)
