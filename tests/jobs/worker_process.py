"""A worker process with handlers made for tests: run as `python -m tests.jobs.worker_process [sweep seconds [grace seconds]]`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

from hub.domain.jobs import CannotSucceed, Mail
from hub.jobs.doors import JobContext
from hub.jobs.runner import Pace
from hub.settings import Settings
from hub.worker import run


async def send_mail(context: JobContext, arguments: Mapping[str, Any]) -> None:
    """Send one mail to the address in the arguments."""
    await context.mailer.send(Mail(context.message_id, arguments["to"], "Hello", "One line.\n"))


async def write_line(context: JobContext, arguments: Mapping[str, Any]) -> None:
    """Append one line to a file: every run leaves its mark."""
    line = f"{arguments['number']} {context.attempt} {os.getpid()}\n"
    file = os.open(arguments["path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line.encode())
    os.close(file)
    await asyncio.sleep(arguments.get("seconds", 0))


async def refuse(_: JobContext, arguments: Mapping[str, Any]) -> None:
    """Fail, for good if asked to, with a text that must not be kept anywhere."""
    if arguments.get("final"):
        raise CannotSucceed("secret text")
    raise LookupError("secret text")


HANDLERS = {"tests.send_mail": send_mail, "tests.write_line": write_line, "tests.refuse": refuse}


if __name__ == "__main__":
    given = dict(zip(("sweep_seconds", "grace_seconds"), map(float, sys.argv[1:]), strict=False))
    asyncio.run(run(Settings(), handlers=HANDLERS, pace=Pace(**given)))  # type: ignore[arg-type]
