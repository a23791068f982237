"""Pictures as SVG made by the server, drawn from plain numbers; a table with the same numbers stands below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from markupsafe import Markup

WIDTH = 640
ROW = 30
LABEL = 220
LABEL_CHARS = 30


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length, and the text at its end."""

    label: str
    value: Decimal
    text: str


def bars(rows: Sequence[Bar], *, title: str) -> Markup:
    """Horizontal bars, the longest as wide as the picture; negative values have their own colour."""
    if not rows:
        return Markup()
    most = max((abs(row.value) for row in rows), default=Decimal(0)) or Decimal(1)
    room = WIDTH - LABEL - 120
    parts = []
    for number, row in enumerate(rows):
        y = number * ROW
        length = max(1, int(room * abs(row.value) / most))
        kind = "bar negative" if row.value < 0 else "bar"
        label = row.label if len(row.label) <= LABEL_CHARS else f"{row.label[: LABEL_CHARS - 1]}…"
        parts.append(
            f'<text x="{LABEL - 10}" y="{y + 20}" text-anchor="end" class="label">{escape(label)}</text>'
            f'<rect x="{LABEL}" y="{y + 6}" width="{length}" height="{ROW - 10}" class="{kind}"/>'
            f'<text x="{LABEL + length + 8}" y="{y + 20}" class="value">{escape(row.text)}</text>'
        )
    drawn = (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {len(rows) * ROW + 6}" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
    return Markup(drawn)  # noqa: S704 - every text in it was escaped above
