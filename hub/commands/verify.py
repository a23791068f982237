"""`fiscal-hub verify`: the database against its log, and a log against itself over time, as text or JSON lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import httpx

from hub.client.evidence import Trust, check
from hub.client.following import Follower, LogMisbehaved, NotCosigned, Quorum, Seen
from hub.db import Database
from hub.domain.transparency import Audit
from hub.jobs.transparency import SOURCES
from hub.signing import NoteKey, PublicKey, public_key
from hub.signing.cosignatures import WitnessKey

PAUSE_SECONDS = 5.0
STATEMENT_TIMEOUT_MS = 600_000

Say = Callable[[str], None]
T = TypeVar("T")


async def audit(
    database_url: str, origin: str, trusted: PublicKey, kept: str | None, say: Say, *, as_json: bool
) -> int:
    """Check every leaf against its rows, say what does not fit, and return how many things that were."""
    db = Database.connect(database_url, pool_size=2, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
    begun, count = time.monotonic(), 0
    try:
        check = Audit(db, SOURCES, origin, trusted, kept)
        async for finding in check.findings():
            count += 1
            say(
                json.dumps(
                    {
                        "what": finding.what,
                        "subject": finding.subject,
                        "factId": str(finding.fact_id) if finding.fact_id else None,
                        "logIndex": finding.log_index,
                        "reason": finding.reason,
                    }
                )
                if as_json
                else str(finding)
            )
    finally:
        await db.close()
    if not as_json:
        found = f"{count} findings" if count else "everything fits"
        say(f"{check.leaves} leaves checked in {time.monotonic() - begun:.1f} s: {found}.")
    return count


def trusted(key: str, witnesses: list[str] | None, quorum: int) -> tuple[NoteKey, Quorum]:
    """The log's key and the witnesses asked for, all of them where ``quorum`` is 0; raises NoteRefused, ValueError."""
    known = tuple(WitnessKey.parse(each) for each in witnesses or ())
    if not 0 <= quorum <= len({each.public.raw for each in known}):
        raise ValueError("a quorum is at most the number of witnesses given")
    return NoteKey.parse(key), Quorum(known, quorum or len(known))


def follow(url: str, trust: tuple[NoteKey, Quorum], state: Path, say: Say, *, once: bool) -> None:
    """Follow the log at this address, for ever or once; raises LogMisbehaved, after writing the proof beside the state."""
    with httpx.Client(follow_redirects=False) as http:
        follower = Follower(http, url, Seen.load(state, trust[0]), trust[1])
        while True:
            try:
                new = follower.step()
            except LogMisbehaved as misbehaved:
                proof = state.with_name(state.name + ".proof.json")
                proof.write_text(
                    json.dumps({"reason": str(misbehaved), "notes": misbehaved.evidence}, indent=1)
                )
                raise
            except NotCosigned as waits:
                if once:
                    raise
                say(f"Waiting for witnesses: {waits}")
            except httpx.HTTPError as error:
                if once:
                    raise
                say(f"The log cannot be reached: {type(error).__name__}")
            else:
                follower.seen.save(state)
                if new or once:
                    say(
                        f"{follower.seen.edge.size} leaves, {new} new: all of it continues what was seen before."
                    )
            if once:
                return
            time.sleep(PAUSE_SECONDS)


def trust(hub: str, log: str, systems: Sequence[str]) -> Trust:
    """The keys as they were typed: base64, a verifier key, ``sgk_…=base64``; raises ValueError naming the wrong one."""
    return Trust(
        _typed("--hub-key", hub, public_key),
        _typed("--log-key", log, NoteKey.parse),
        dict(_typed("--system-key", system, _system_key) for system in systems),
    )


def _typed(option: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as wrong:
        raise ValueError(f"{option} {text!r}: {wrong}") from None


def _system_key(text: str) -> tuple[str, PublicKey]:
    name, is_there, key = text.partition("=")
    if not is_there or not name.startswith("sgk_"):
        raise ValueError("not of the form sgk_...=base64")
    return name, public_key(key)


def evidence(file: Path, trust: Trust, say: Say, *, as_json: bool) -> bool:
    """Check a file against the keys one trusts; whether every step holds."""
    steps = check(file.read_text(errors="replace"), trust)
    for step in steps:
        if as_json:
            say(json.dumps({"part": step.part, "holds": step.holds, "says": step.says, "fault": step.fault}))
        else:
            say(
                f"{'ok  ' if step.holds else 'FAIL'}  {step.says}" + (f": {step.fault}" if step.fault else "")
            )
    holds = all(step.holds for step in steps)
    if not as_json:
        say("The evidence holds." if holds else "THE EVIDENCE DOES NOT HOLD.")
    return holds
