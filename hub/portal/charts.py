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
CHAR = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length, and the text at its end; ``behind`` is a light one that it is compared with."""

    label: str
    value: Decimal
    text: str
    behind: Decimal | None = None

    @property
    def most(self) -> Decimal:
        """The longer of the two lengths."""
        return max(abs(self.value), abs(self.behind or Decimal(0)))


def bars(rows: Sequence[Bar], *, title: str) -> Markup:
    """Horizontal bars on one scale, the longest as wide as the picture; negative values have their own colour."""
    if not rows:
        return Markup()
    most: Decimal = max(row.most for row in rows) or Decimal(1)
    room = WIDTH - LABEL - 16 - CHAR * max(len(row.text) for row in rows)
    parts = []
    for number, row in enumerate(rows):
        y = number * ROW
        behind, length, longer = (
            max(1, int(room * abs(value) / most)) for value in (row.behind or Decimal(0), row.value, row.most)
        )
        kind = "bar negative" if row.value < 0 else "bar"
        inset = 5 if row.behind is None else 10
        parts.append(
            f'<text x="{LABEL - 10}" y="{y + 20}" text-anchor="end" class="label">{_short(row.label)}</text>'
        )
        if row.behind is not None:
            parts.append(
                f'<rect x="{LABEL}" y="{y + 4}" width="{behind}" height="{ROW - 8}" class="second"/>'
            )
        parts.append(
            f'<rect x="{LABEL}" y="{y + inset}" width="{length}" height="{ROW - 2 * inset}" class="{kind}"/>'
            f'<text x="{LABEL + longer + 8}" y="{y + 20}" class="value">{escape(row.text)}</text>'
        )
    return _drawn(WIDTH, len(rows) * ROW + 6, title, parts)


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a chain: three lines of text, where it leads, and its kind (a class of the style sheet)."""

    id: str
    head: str
    text: str
    foot: str
    url: str
    kind: str = ""


BOX_WIDTH, BOX_HEIGHT, BOX_GAP_X, BOX_GAP_Y = 200, 66, 46, 18


def chain(boxes: Sequence[Box], links: Sequence[tuple[str, str]], *, title: str) -> Markup:
    """Boxes from left to right, each behind all it comes from; ``links`` are (earlier id, later id)."""
    if len(boxes) < 2:  # noqa: PLR2004
        return Markup()
    known = {box.id for box in boxes}
    drawn = [(parent, child) for parent, child in links if parent in known and child in known]
    columns = _columns([box.id for box in boxes], drawn)
    places: dict[str, tuple[int, int]] = {}
    filled: dict[int, int] = {}
    for box in boxes:
        column = columns[box.id]
        row = filled.get(column, 0)
        filled[column] = row + 1
        places[box.id] = (column * (BOX_WIDTH + BOX_GAP_X) + 2, row * (BOX_HEIGHT + BOX_GAP_Y) + 2)
    parts = [_line(places[parent], places[child]) for parent, child in drawn]
    parts += [_box(box, *places[box.id]) for box in boxes]
    width = (max(filled) + 1) * (BOX_WIDTH + BOX_GAP_X) - BOX_GAP_X + 4
    return _drawn(width, max(filled.values()) * (BOX_HEIGHT + BOX_GAP_Y) + 4, title, parts)


def _columns(ids: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """For each box the length of the longest way to it; a ring, which facts cannot form, ends after as many rounds."""
    found = dict.fromkeys(ids, 0)
    for _ in ids:
        moved = False
        for parent, child in links:
            if found[child] <= found[parent] and found[parent] + 1 < len(ids):
                found[child], moved = found[parent] + 1, True
        if not moved:
            break
    return found


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT // 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}" class="link"/>'


def _box(box: Box, x: int, y: int) -> str:
    return (
        f'<a href="{escape(box.url)}"><rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"'
        f' class="box {escape(box.kind)}"/>'
        f'<text x="{x + 12}" y="{y + 21}" class="head">{_short(box.head, 24)}</text>'
        f'<text x="{x + 12}" y="{y + 39}">{_short(box.text, 24)}</text>'
        f'<text x="{x + 12}" y="{y + 57}">{_short(box.foot, 24)}</text></a>'
    )


def _short(text: str, most: int = LABEL_CHARS) -> str:
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def _drawn(width: int, height: int, title: str, parts: Sequence[str]) -> Markup:
    return Markup(  # noqa: S704 - every text in it was escaped above
        f'<svg class="chart" role="group" viewBox="0 0 {width} {height}" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
