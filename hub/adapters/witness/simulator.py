"""A witness of one's own: real HTTP, remembers what it cosigned, checks every proof, and can be told to fail.

`python -m hub.adapters.witness.simulator --log-key KEY` prints its URL and key as HUB_WITNESSES takes them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import socket
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hub.adapters.witness.wire import SIZE_TYPE, BodyRefused, read_request
from hub.signing import Checkpoint, HubKey, NoteKey, NoteRefused, ProofRefused, open_note
from hub.signing.cosignatures import WitnessKey, cosign
from hub.signing.merkle import verify_consistency

BODY_BYTES_MAX = 64 * 1024


class _Refused(Exception):
    """What the witness answers instead of a cosignature."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class SimulatedWitness:
    """Cosigns checkpoints of the logs it knows. ``forges``: it signs other lines; ``slow_seconds``: it keeps waiting."""

    name: str
    key: HubKey
    logs: list[NoteKey]
    state: Path | None = None
    forges: bool = False
    slow_seconds: float = 0.0
    status: int | None = None
    seen: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        if self.state is not None and self.state.exists():
            said = json.loads(self.state.read_text())
            self.seen = {origin: (size, base64.b64decode(root)) for origin, (size, root) in said.items()}

    @property
    def verifier(self) -> WitnessKey:
        """The key others check its cosignatures with."""
        return WitnessKey(self.name, self.key.public)

    def answer(self, body: bytes) -> Response:
        """As the protocol says: 200, 400, 403, 404, 409 or 422."""
        self.asked += 1
        try:
            text, checkpoint = self._judge(body)
        except _Refused as refused:
            kind = SIZE_TYPE if refused.status == HTTPStatus.CONFLICT else "text/plain"
            return Response(f"{refused}\n", refused.status, headers={"content-type": kind})
        self._remember(checkpoint)
        signed = "another log\n" + text if self.forges else text
        return PlainTextResponse(cosign(signed, self.name, self.key, int(time.time())))

    def _judge(self, body: bytes) -> tuple[str, Checkpoint]:
        """1. The body. 2. The log is known. 3. It signed. 4. From the size remembered. 5. Consistent with that tree."""
        if self.status is not None:
            raise _Refused(self.status, "told to fail")
        try:
            old, proof, note = read_request(body)
            checkpoint = Checkpoint.parse(note.partition("\n\n")[0] + "\n")
        except (BodyRefused, NoteRefused) as refused:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(refused)) from refused
        keys = [key for key in self.logs if key.name == checkpoint.origin]
        if not keys:
            raise _Refused(HTTPStatus.NOT_FOUND, "an unknown log")
        try:
            text, _ = open_note(note, keys)
        except NoteRefused as refused:
            raise _Refused(HTTPStatus.FORBIDDEN, str(refused)) from refused
        self._check_growth(old, proof, checkpoint)
        return text, checkpoint

    def _check_growth(self, old: int, proof: tuple[bytes, ...], checkpoint: Checkpoint) -> None:
        size, root = self.seen.get(checkpoint.origin, (0, b""))
        if old > checkpoint.size:
            raise _Refused(HTTPStatus.BAD_REQUEST, "old is larger than the checkpoint")
        if old != size or (size and size == checkpoint.size and root != checkpoint.root):
            raise _Refused(HTTPStatus.CONFLICT, str(size))
        try:
            if size:
                verify_consistency((size, root), (checkpoint.size, checkpoint.root), proof)
            elif proof:
                raise ProofRefused.of("PROOF_SHAPE", "nothing is proven from the empty tree")
        except ProofRefused as refused:
            raise _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(refused)) from refused

    def _remember(self, checkpoint: Checkpoint) -> None:
        """Before the signature goes out: a witness that forgets could cosign two trees."""
        self.seen[checkpoint.origin] = (checkpoint.size, checkpoint.root)
        if self.state is not None:
            kept = {o: (size, base64.b64encode(root).decode()) for o, (size, root) in self.seen.items()}
            draft = self.state.with_name(f".{self.state.name}.{os.getpid()}")
            draft.write_text(json.dumps(kept))
            draft.replace(self.state)

    def app(self) -> Starlette:
        """The witness as an ASGI application."""

        async def add_checkpoint(request: Request) -> Response:
            body = await request.body()
            await asyncio.sleep(self.slow_seconds)
            if len(body) > BODY_BYTES_MAX:
                return PlainTextResponse("too large\n", 413)
            return self.answer(body)

        return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


def main() -> None:
    """Run until told to stop; the key is made anew unless --seed names a file that keeps it."""
    options = argparse.ArgumentParser(description="A witness to try the log with.")
    options.add_argument(
        "--log-key", action="append", required=True, help="a log's key, as /log/key shows it"
    )
    options.add_argument("--name", default="witness.example")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--seed", type=Path, help="a file with the 32-byte seed, made when it is not there")
    options.add_argument("--state", type=Path, help="a file that keeps what was cosigned")
    given = options.parse_args()
    seed = given.seed.read_bytes() if given.seed and given.seed.exists() else os.urandom(32)
    if given.seed and not given.seed.exists():
        given.seed.touch(mode=0o600)
        given.seed.write_bytes(seed)
    logs = [NoteKey.parse(text) for text in given.log_key]
    witness = SimulatedWitness(given.name, HubKey.from_seed(seed), logs, given.state)
    with socket.create_server(("127.0.0.1", given.port)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(f"HUB_WITNESSES='{url} {witness.verifier.text}'", flush=True)  # noqa: T201 - what it is run for
        uvicorn.Server(uvicorn.Config(witness.app(), log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
