"""The results as text: rates side by side, and the ratios that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.works import BY_NAME, Work

SERVERS = ("hub", "postgraphile", "orm", "pgbench")
NOTHING = "-"
FEW = 100


def number(value: float) -> str:
    """Three figures are enough for anybody."""
    return f"{value:,.0f}" if value >= FEW else f"{value:.3g}"


def rate(found: Mapping[str, Any], name: str) -> float | None:
    """A server's rate of a work, where it has one."""
    figures = found.get(name)
    return figures["rate"] if figures and "rate" in figures else None


def ratio(found: Mapping[str, Any], name: str) -> float | None:
    """The hub's rate over another's."""
    ours, theirs = rate(found, "hub"), rate(found, name)
    return ours / theirs if ours is not None and theirs else None


def line(work: Work, found: Mapping[str, Any]) -> str:
    """One work in a sentence, while the benchmark runs."""
    parts = []
    for name in found:
        value = rate(found, name)
        failed = (found[name] or {}).get("failed")
        parts.append(
            f"{name} {number(value * work.events) if value is not None else 'FAILED' if failed else NOTHING}"
        )
        if failed:
            parts.append(f"({failed[:300]})")
    unit = "events/s" if work.events > 1 else "/s"
    return f"{work.name} ({unit}): {', '.join(parts)}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def render(results: Mapping[str, Any]) -> str:
    """All sizes, as tables of rates, latencies, cost and ratios."""
    machine = results["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; {results['made']}"
    ]
    lines += [f"- {note}" for note in results["notes"]]
    for size, found in results["sizes"].items():
        lines += ["", f"{size} events: requests a second (batches: events a second), medians"]
        rows = [["work", *SERVERS, "÷ postgraphile", "÷ orm", "÷ limit"]]
        for name, work in found["works"].items():
            each = BY_NAME[name].events
            rates = [rate(work, server) for server in SERVERS]
            cells = [NOTHING if value is None else number(value * each) for value in rates]
            rows.append(
                [name, *cells, *(_share(ratio(work, other)) for other in ("postgraphile", "orm", "pgbench"))]
            )
        lines += _columns(rows)
        lines += ["", f"{size} events: p50 / p99 in ms; CPU ms an answer, server + database"]
        rows = [["work", *SERVERS]]
        for name, work in found["works"].items():
            rows.append([name, *(_cost(work.get(server)) for server in SERVERS)])
        lines += _columns(rows)
        lines += ["", *_beside(found)]
    return "\n".join(lines)


def _cost(figures: Mapping[str, Any] | None) -> str:
    if not figures or "rate" not in figures:
        return "failed" if figures else NOTHING
    each = 1000 / max(1, figures["requests"])
    cpu = f"{figures['server_cpu'] * each:.2f} + {figures['database_cpu'] * each:.2f}"
    return f"{figures['p50_ms']:.1f} / {figures['p99_ms']:.1f}; {cpu}"


def _beside(found: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, figures in found.get("post_at_70", {}).items():
        if "rate" in figures:
            lines.append(
                f"posts at 70 % load, {name}: {figures['rate']:.0f}/s, p50 {figures['p50_ms']:.1f} ms, "
                f"p99 {figures['p99_ms']:.1f} ms"
            )
        else:
            lines.append(f"posts at 70 % load, {name}: {figures['failed'][:200]}")
    for name, figures in found.get("import", {}).items():
        if "events" in figures:
            lines.append(
                f"import, {name}: {figures['events']:,} events in {figures['seconds']} s, "
                f"{figures['events_per_second']:,.0f} a second"
            )
    for name, value in found.get("start_to_ready_seconds", {}).items():
        lines.append(f"start to ready, {name}: {value:.2f} s")
    for name, value in found.get("memory_peak_mb", {}).items():
        lines.append(f"memory under load, {name}: {value:.0f} MB")
    return lines
