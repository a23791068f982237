"""The events of the benchmark: real budget figures, three lines each, and the requests that post them, signed."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from bench.load import Target
from hub import sample
from hub.client import Signer, amount, event_bytes, instant
from hub.sample.budget import Figure, event_time, major_type

LINES = 3
CHUNK = 500
PROCESSES = 2
DISTRICTS = ("Barpeta", "Cachar", "Dibrugarh", "Kamrup", "Nagaon", "Sonitpur", "Tinsukia")


@dataclass(frozen=True)
class Sender:
    """Who posts, and with which key: everything a signing process needs."""

    government: str
    system: str
    key_id: str
    seed: bytes = field(repr=False)

    def signer(self) -> Signer:
        """The signer made of these."""
        from nacl.signing import SigningKey  # noqa: PLC0415 - signing processes alone

        return Signer(self.system, self.key_id, SigningKey(self.seed))


@cache
def _groups() -> list[list[Figure]]:
    """Figures of the same fiscal year, stage and side of the budget: what may stand on one event."""
    found, _ = sample.figures(sample.read_rows(sample.sample_path()))
    groups: dict[tuple[object, ...], list[Figure]] = {}
    for figure in found:
        if figure.rupees:
            key = (figure.fiscal_year, figure.column, major_type(figure.head))
            groups.setdefault(key, []).append(figure)
    return [members for members in groups.values() if len(members) >= LINES]


def content(number: int, prefix: str, sender: Sender) -> dict[str, Any]:
    """The content of one event; the same number and prefix always give the same."""
    draw = random.Random(f"{prefix}{number}")  # noqa: S311 - figures, not secrets
    groups = _groups()
    group = draw.choices(groups, weights=[len(members) for members in groups])[0]
    chosen = draw.sample(group, LINES)
    year = chosen[0].fiscal_year
    start = event_time(chosen[0]).replace(month=4, day=1, year=year)
    made = sample.content(chosen[0], sender=sender.system, government=sender.government)
    # The sample's days are all first or last of a year; events of a real year come day by day.
    made["eventTime"] = instant(start + timedelta(days=draw.randrange(365), seconds=draw.randrange(36_000)))
    made["referenceId"] = f"{prefix}/{number}"
    made["attributes"] = {"district": draw.choice(DISTRICTS), "grant": chosen[0].grant}
    made["attachments"] = []
    made["lines"] = [
        {**_line(figure, draw), "lineNo": line_no} for line_no, figure in enumerate(chosen, start=1)
    ]
    return made


def _line(figure: Figure, draw: random.Random) -> dict[str, Any]:
    """A figure's line; a hundredth to a tenth of the published amount, so that lines differ."""
    part = figure.rupees * draw.randrange(10, 100) / 1000
    line: dict[str, Any] = sample.content(figure, sender="", government="")["lines"][0]
    return {**line, "amount": amount(part.quantize(figure.rupees.__class__("0.01")))}


def _posted(content: dict[str, Any], signer: Signer, at: datetime) -> dict[str, Any]:
    reference = content["referenceId"]
    return {"idempotencyKey": reference, "content": content, "signature": signer.sign(content, at)}


def message(number: int, prefix: str, sender: Sender, receiver: str) -> dict[str, Any]:
    """A signed message to one receiver, as the input of `postFiscalMessage`."""
    made = {**content(number, prefix, sender), "to": [receiver]}
    signer, at = sender.signer(), instant(datetime.now(UTC))
    # Content bytes of a message are those of an event, but for kind and domain line.
    framed = event_bytes(made).replace(b"FXH-EVENT-V1\n", b"FXH-MESSAGE-V1\n", 1)
    framed = framed.replace(b'"kind":"EVENT"', b'"kind":"MESSAGE"', 1)
    signature = signer.key.sign(signer.statement(framed, at)).signature
    signed = {
        "keyId": sender.key_id,
        "signedAt": at,
        "eSign": base64.b64encode(signature).decode(),
    }
    return {"idempotencyKey": made["referenceId"], "content": made, "signature": signed}


def _single(job: tuple[Target, str, Sender, str, range, bool]) -> list[bytes]:
    target, document, sender, prefix, numbers, _ = job
    signer, at = sender.signer(), datetime.now(UTC)
    return [
        target.request(
            orjson.dumps(
                {
                    "query": document,
                    "variables": {"input": _posted(content(number, prefix, sender), signer, at)},
                }
            )
        )
        for number in numbers
    ]


def _batch(job: tuple[Target, str, Sender, str, range, bool]) -> list[bytes]:
    target, document, sender, prefix, numbers, signed_once = job
    signer, at = sender.signer(), datetime.now(UTC)
    contents = [content(number, prefix, sender) for number in numbers]
    if signed_once:
        variables = _signed_once(contents, signer, at)
    else:
        variables = {"items": [_posted(made, signer, at) for made in contents]}
    return [target.request(orjson.dumps({"query": document, "variables": {"input": variables}}))]


def _signed_once(contents: Sequence[dict[str, Any]], signer: Signer, at: datetime) -> dict[str, Any]:
    """The input of a batch under one signature over the Merkle root of its items."""
    items = [{"idempotencyKey": made["referenceId"], "content": made} for made in contents]
    return {"items": items, "signature": signer.sign_batch(contents, at)}


class Press:
    """Makes requests ahead of a round, in processes of their own: a signature is good for five minutes."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pool = ProcessPoolExecutor(PROCESSES)
        self._run = f"{datetime.now(UTC):%m%d%H%M%S}"
        self._used = 0

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def numbers(self, count: int) -> range:
        """Numbers of events nobody has posted yet."""
        self._used += count
        return range(self._used - count, self._used)

    @property
    def prefix(self) -> str:
        """What the references of this run begin with."""
        return f"BENCH/{self._run}"

    def singles(self, target: Target, document: str, count: int) -> list[bytes]:
        """Requests that post one new event each."""
        numbers = self.numbers(count)
        jobs = [
            (target, document, self._sender, self.prefix, numbers[at : at + CHUNK], False)
            for at in range(0, count, CHUNK)
        ]
        return [request for chunk in self._pool.map(_single, jobs) for request in chunk]

    def batches(
        self, target: Target, document: str, count: int, size: int, *, signed_once: bool = False
    ) -> list[bytes]:
        """Requests that post ``size`` new events each, signed one by one or all at once."""
        numbers = self.numbers(count * size)
        jobs = [
            (target, document, self._sender, self.prefix, numbers[at : at + size], signed_once)
            for at in range(0, count * size, size)
        ]
        return [request for chunk in self._pool.map(_batch, jobs) for request in chunk]

    def contents(self, count: int) -> list[dict[str, Any]]:
        """Contents of new events, unsigned: for servers that verify nothing."""
        return [content(number, self.prefix, self._sender) for number in self.numbers(count)]
