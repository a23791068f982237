"""The results as a picture: for each work, every server's rate against the fastest of them. SVG, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from bench.table import SERVERS, number, rate
from bench.works import BY_NAME

WIDTH, LEFT, RIGHT, TOP = 860, 300, 110, 66
BAR, GAP, BETWEEN = 13, 2, 12
COLOURS = {"hub": "#0b6e4f", "postgraphile": "#3b6fb6", "orm": "#b07d2b", "pgbench": "#9aa0a6"}
TITLES = {
    "hub": "this hub, every check on",
    "postgraphile": "PostGraphile 5, no checks",
    "orm": "Strawberry + ORM, no checks",
    "pgbench": "the same SQL alone (pgbench)",
}


def draw(results: Mapping[str, Any]) -> str:
    """The smallest size's picture, on its own white ground."""
    size, found = next(iter(results["sizes"].items()))
    works = {
        name: [(server, rate(work, server)) for server in SERVERS if rate(work, server) is not None]
        for name, work in found["works"].items()
    }
    works = {name: bars for name, bars in works.items() if bars}
    height = TOP + sum(len(bars) * (BAR + GAP) + BETWEEN for bars in works.values()) + 30
    machine = results["machine"]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="12">'
        ),
        f"<title>{size} events: answers a second</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        (
            f'<text x="16" y="24" font-size="15" font-weight="600">Answers a second at {size} events '
            "(batches: events a second)</text>"
        ),
        *_legend(),
    ]
    y = TOP
    for name, bars in works.items():
        middle = y + len(bars) * (BAR + GAP) / 2 + 4
        parts.append(
            f'<text x="{LEFT - 12}" y="{middle:.0f}" text-anchor="end">{escape(BY_NAME[name].title)}</text>'
        )
        greatest = max(value for _, value in bars if value is not None) or 1.0
        for server, value in bars:
            parts += _bar(y, server, value or 0.0, greatest, BY_NAME[name].events)
            y += BAR + GAP
        y += BETWEEN
    told = f"{machine['processor']}, {machine['cores']} cores shared by load, servers and database; {results['made'][:10]}"
    parts += [f'<text x="16" y="{height - 12}" font-size="11" fill="#555">{escape(told)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    parts = []
    for i, server in enumerate(SERVERS):
        x = 16 + i * 208
        parts.append(f'<rect x="{x}" y="38" width="11" height="11" fill="{COLOURS[server]}"/>')
        parts.append(f'<text x="{x + 16}" y="48">{escape(TITLES[server])}</text>')
    return parts


def _bar(y: float, server: str, value: float, greatest: float, events: int) -> list[str]:
    width = max(1.0, (WIDTH - LEFT - RIGHT) * value / greatest)
    return [
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{COLOURS[server]}"/>',
        f'<text x="{LEFT + width + 6:.1f}" y="{y + BAR - 2}" font-size="11">{number(value * events)}</text>',
    ]
