"""On what the figures were taken: the machine, and the version of everything under load."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.plainpeers import NODE_FOLDER
from hub.embedded import find_postgres, find_redis

PACKAGES = (
    "fiscal-hub",
    "strawberry-graphql",
    "graphql-core",
    "sqlalchemy",
    "asyncpg",
    "uvicorn",
    "uvloop",
    "pynacl",
)
NODE_PACKAGES = ("postgraphile", "@graphile/pg-aggregates", "graphql", "pg")
NOTES = (
    "Load generator, servers and PostgreSQL share the same cores; nothing is pinned.",
    "The hub checks keys, access, limits, signatures, codes and sums and signs receipts; the others check nothing.",
    "Every server is one process with a pool of the same size. The hub's worker runs beside it, as it ships.",
    "Most rows are copies of a few thousand events posted through the API: their signatures are not verifiable.",
    "The limit runs the SQL that the hub was seen to send (posts: bare inserts), without HTTP, GraphQL or checks.",
)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def describe() -> dict[str, Any]:
    """Machine, versions, and what has to be known to read the figures."""
    node = shutil.which("node")
    said = subprocess.run([node, "--version"], check=False, capture_output=True, text=True) if node else None  # noqa: S603
    lock = json.loads((NODE_FOLDER / "package-lock.json").read_text())["packages"]
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
            "system": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            "node": said.stdout.strip() if said else None,
            "postgresql": find_postgres().version,
            "redis": find_redis().version,
            **{name: version(name) for name in PACKAGES},
            **{name: lock[f"node_modules/{name}"]["version"] for name in NODE_PACKAGES},
        },
        "notes": NOTES,
    }
