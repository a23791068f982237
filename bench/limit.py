"""The limit: pgbench running the very SQL the hub sends for a work, and for posts their bare inserts."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bench.contents import Press
from bench.data import Stage
from bench.hubpeer import HubPeer, NotOffered
from bench.load import closed_loop
from bench.processes import Weight, weighing
from bench.rowliterals import insert_script
from bench.works import BATCH, READS, Questions, Work
from hub.embedded import find_postgres

SCRIPTS = 48
THREADS = 2
MARK = "bench-capture"
STATEMENT = re.compile(
    r"^(?P<head>\d{4}-\S+ \S+ \S+ \[\d+\] (?P<who>\S+)@\S+ )(?P<kind>LOG|DETAIL):  (?P<text>.*)$"
)
EXECUTE = re.compile(r"^(?:execute [^:]*|statement): (?P<sql>.*)$", re.DOTALL)
PARAMETER = re.compile(r"\$(\d+) = ('(?:[^']|'')*'|NULL)")
NOT_WORK = re.compile(r"^\s*(BEGIN|COMMIT|ROLLBACK|SET|SHOW|SELECT pg_catalog|;|$)", re.IGNORECASE)
# A caller's own key is looked up once in a while, not with every question.
NOT_ASKED = re.compile(r"\b(api_key|signing_key|job|use_of)\b", re.IGNORECASE)
SETTLE_SECONDS = 1
TEXT = re.compile(r"\b[eE]'(?P<escaped>(?:[^'\\]|''|\\.)*)'|'(?P<plain>(?:[^']|'')*)'", re.DOTALL)
OUTSIDE = re.compile(r"(?<!:):(?=\w)")


class LimitFailed(Exception):
    """pgbench did not go through; the message begins with what it said."""


@dataclass
class Limit:
    """pgbench over the stage, with what it was given to run."""

    stage: Stage
    questions: Questions
    hub: HubPeer | None
    scripts: dict[str, list[Path]] = field(default_factory=dict)
    statements: dict[str, list[str]] = field(default_factory=dict)

    name = "pgbench"

    async def prepare(self, work: Work) -> None:
        """Write the scripts of a work; raises NotOffered where there is no SQL of its own."""
        if work.name in self.scripts:
            return
        folder = self.stage.folder / "bench-logs" / "pgbench"
        folder.mkdir(parents=True, exist_ok=True)
        if work.name in READS:
            texts = await self._captured(work)
        elif work.name in ("post", "post_500"):
            texts = [await insert_script(self.stage, 1 if work.name == "post" else BATCH)]
        else:
            raise NotOffered(work.name)
        self.statements[work.name] = [texts[0]]
        paths = []
        for number, text in enumerate(texts):
            path = folder / f"{work.name}-{number}.sql"
            path.write_text(for_pgbench(text))
            path.chmod(0o644)
            paths.append(path)
        self.scripts[work.name] = paths

    async def _captured(self, work: Work) -> list[str]:
        """What the hub says to the database when it is asked each question of a reading work once."""
        if self.hub is None:
            raise NotOffered(work.name)
        target, requests = self.hub.requests(work.name, 0)
        chosen = requests[:: max(1, len(requests) // SCRIPTS)][:SCRIPTS]
        await closed_loop(
            target, chosen, connections=1, seconds=20, again=False
        )  # whatever is asked once only
        log = await self._listen(on=True)
        texts = []
        try:
            await asyncio.sleep(1.2)  # sessions hear of the new setting with their next statement
            await closed_loop(target, chosen[:2], connections=1, seconds=20, again=False)
            for request in chosen:
                at = log.stat().st_size
                await closed_loop(target, [request], connections=1, seconds=20, again=False)
                await asyncio.sleep(0.01)
                with log.open("rb") as file:
                    file.seek(at)
                    found = parse_log(file.read().decode(errors="replace"))
                if found:
                    texts.append(";\n".join(found) + ";\n")
        finally:
            await self._listen(on=False)
        if not texts:
            raise NotOffered(f"{work.name}: nothing was seen in PostgreSQL's log")
        return texts

    async def _listen(self, *, on: bool) -> Path:
        db = await self.stage.administrator()
        try:
            for name, value in (
                ("log_statement", "all"),
                ("log_error_verbosity", "default"),
                ("log_parameter_max_length", "-1"),
            ):
                change = f"ALTER SYSTEM SET {name} = '{value}'" if on else f"ALTER SYSTEM RESET {name}"
                await db.execute(change)
            await db.execute("SELECT pg_reload_conf()")
            data = Path(await db.fetchval("SHOW data_directory"))
        finally:
            await db.close()
        return next(
            path
            for path in (data.parent / "logs" / "postgres.log", data.parent / "postgres.log")
            if path.exists()
        )

    async def run(self, work: Work, seconds: float, connections: int) -> tuple[list[float], float, Weight]:
        """Latencies in seconds, the time taken, and what the database used."""
        await self.prepare(work)
        paths = self.scripts[work.name]
        address = urlsplit(self.stage.endpoints.database_url)
        logs = self.stage.folder / "bench-logs" / "pgbench"
        for old in logs.glob("latency*"):
            old.unlink()
        command = [pgbench(), "-n", "-M", "prepared", "-c", str(connections), "-j", str(THREADS)]
        command += ["-T", str(max(2, round(seconds)) + SETTLE_SECONDS), "-l", f"--log-prefix={logs}/latency"]
        command += [part for path in paths for part in ("-f", str(path))]
        command += ["-h", self.stage.sockets, "-U", unquote(address.username or ""), "hub"]
        environment = {"PGPASSWORD": unquote(address.password or ""), "PATH": "/usr/bin:/bin"}
        with weighing(None, self.stage.database_pid) as weight:
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            said, _ = await asyncio.wait_for(process.communicate(), seconds + 120)
        if process.returncode:
            raise LimitFailed(f"pgbench, {work.name}: {said.decode()[:700]}")
        lines = [line.split() for path in logs.glob("latency*") for line in path.read_text().splitlines()]
        return settled([(float(f[4]) + int(f[5]) / 1e6, int(f[2]) / 1e6) for f in lines], weight)


def settled(seen: Sequence[tuple[float, float]], weight: Weight) -> tuple[list[float], float, Weight]:
    """
    Without the first second, in which every session loads catalogues and plans: latencies, seconds, and CPU in proportion.

    ``seen`` has the instant and the latency of each transaction, both in seconds.
    """
    if not seen:
        return [], 0.0, weight
    from_instant = min(at for at, _ in seen) + SETTLE_SECONDS
    kept = [(at, latency) for at, latency in seen if at >= from_instant] or list(seen)
    taken = max(at for at, _ in kept) - min(at for at, _ in kept)
    weight.database_cpu *= len(kept) / len(seen)
    return [latency for _, latency in kept], taken, weight


def pgbench() -> str:
    """The pgbench of the PostgreSQL that runs, else any on the path."""
    beside = find_postgres().folder / "pgbench"
    found = str(beside) if beside.exists() else shutil.which("pgbench")
    if not found:
        raise NotOffered(
            "there is no pgbench beside PostgreSQL (Debian: postgresql-contrib is part of postgresql)"
        )
    return found


def parse_log(text: str) -> list[str]:
    """The statements of the hub's role in PostgreSQL's log, their parameters written in."""
    entries: list[tuple[str, str]] = []
    for line in text.splitlines():
        start = STATEMENT.match(line)
        if start is not None:
            entries.append((start["kind"] if start["who"] == "hub_app" else "", start["text"]))
        elif entries:
            entries[-1] = (entries[-1][0], entries[-1][1] + "\n" + line.removeprefix("\t"))
    found: list[str] = []
    for kind, said in entries:
        if kind == "LOG" and (executed := EXECUTE.match(said)):
            found.append(executed["sql"].strip().rstrip(";"))
        elif kind == "DETAIL" and found and said.lower().startswith("parameters: "):
            found[-1] = _filled(found[-1], dict(PARAMETER.findall(said)))
    return [sql for sql in found if not NOT_WORK.match(sql) and not NOT_ASKED.search(sql)]


def for_pgbench(sql: str) -> str:
    """The same SQL without a colon that pgbench would take for the start of a variable, inside texts and outside."""
    parts = []
    at = 0
    for text in TEXT.finditer(sql):
        parts.append(OUTSIDE.sub(": ", sql[at : text.start()]))
        parts.append(_without_colons(text))
        at = text.end()
    parts.append(OUTSIDE.sub(": ", sql[at:]))
    return "".join(parts)


def _without_colons(text: re.Match[str]) -> str:
    if ":" not in text[0]:
        return text[0]
    inner = text["escaped"] if text["escaped"] is not None else text["plain"].replace("\\", "\\\\")
    return "E'" + inner.replace(":", "\\x3A") + "'"


def _filled(sql: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$(\d+)", lambda found: values.get(found[1], found[0]), sql)


@asynccontextmanager
async def over(
    stage: Stage, questions: Questions, press: Press, peers: Mapping[str, Any]
) -> AsyncIterator[Limit]:
    """The limit over a stage, listening to the hub among ``peers``."""
    del press
    yield Limit(stage, questions, peers.get("hub"))


__all__: Sequence[str] = ("Limit", "over", "parse_log")
