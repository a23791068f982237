"""Real budget figures to try the hub with, and how they become fiscal events; see docs/sample-data.md."""

from hub.sample.budget import (
    CHART_COLUMNS,
    Figure,
    Row,
    Skipped,
    chart,
    content,
    figures,
    read_rows,
    sample_path,
)
from hub.sample.importer import ImportResult, import_figures

__all__ = [
    "CHART_COLUMNS",
    "Figure",
    "ImportResult",
    "Row",
    "Skipped",
    "chart",
    "content",
    "figures",
    "import_figures",
    "read_rows",
    "sample_path",
]
