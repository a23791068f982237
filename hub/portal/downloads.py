"""What is taken away from a page: files a browser saves and never shows, and tables a spreadsheet never runs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from starlette.responses import Response

# A cell that begins so would be a formula (OWASP, CSV injection); plain numbers are left as they are.
FORMULA = ("=", "+", "-", "@")
BREAKS = ("\t", "\r", "\n")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
UNSAFE_NAME = re.compile(r"[^A-Za-z0-9._-]")
NAME_CHARS_MAX = 100
BYTE_ORDER_MARK = "\ufeff"


def harmless(cell: object) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    is_formula = text.lstrip().startswith(FORMULA) or text.startswith(BREAKS)
    return f"'{text}" if is_formula and not NUMBER.fullmatch(text) else text


def table(head: Sequence[str], rows: Iterable[Sequence[object]], name: str) -> Response:
    """A CSV file (RFC 4180, UTF-8 with a mark, so that spreadsheets read every script)."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(head)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return saved((BYTE_ORDER_MARK + written.getvalue()).encode(), name, "text/csv; charset=utf-8")


def saved(data: bytes, name: str, media_type: str = "application/octet-stream") -> Response:
    """A file to save under this name; letters that some system minds are replaced."""
    safe = UNSAFE_NAME.sub("_", name)[:NAME_CHARS_MAX].lstrip(".") or "file"
    headers = {
        "content-disposition": f'attachment; filename="{safe}"',
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
    }
    return Response(data, media_type=media_type, headers=headers)
