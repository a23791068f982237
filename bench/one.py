"""One figure, for whoever tunes it: ``python -m bench.one --work deep_page --size 10k --seconds 5``."""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from bench import rounds
from bench.data import FOLDER, parse_size, prepare, say
from bench.hubpeer import serve_command
from bench.works import BY_NAME
from hub.embedded import EmbeddedServers


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, choices=[*BY_NAME, "all"])
    parser.add_argument("--size", default="10k", help="10k, 1m, 10m")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=None)
    parser.add_argument("--peer", default="hub", choices=["hub", "postgraphile", "orm", "pgbench", "all"])
    parser.add_argument("--rate", type=float, default=None, help="open loop: so many requests a second")
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder of the built rows")
    return parser.parse_args()


async def main(asked: argparse.Namespace) -> None:
    """Build or find the rows, start what is asked for, load it, and say what was seen."""
    servers = EmbeddedServers(asked.data / asked.size)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(servers.stop)
        stage = await prepare(servers, asked.size, parse_size(asked.size), serve=serve_command)
        names = rounds.PEERS if asked.peer == "all" else (asked.peer,)
        # The limit runs the hub's own SQL: it has to be there to be listened to.
        started = ("hub", "pgbench") if asked.peer == "pgbench" else names
        run = await stack.enter_async_context(rounds.standing(stage, started))
        for name in BY_NAME if asked.work == "all" else (asked.work,):
            for _ in range(asked.rounds):
                for peer in names:
                    say(await rounds.one(run, peer, name, asked))


if __name__ == "__main__":
    sys.exit(uvloop.run(main(arguments())))
