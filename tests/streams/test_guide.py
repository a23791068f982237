"""The lines of docs/feed.md are run as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.streams.listening import Served

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "feed.md"
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", GUIDE.read_text(), re.DOTALL)


async def _first_lines(block: tuple[str, str], environment: dict[str, str], until: str) -> str:
    """What a block prints up to a line with this text; it is ended then."""
    language, code = block
    command = ["bash", "-c"] if language == "bash" else [sys.executable, "-u", "-c"]
    process = await asyncio.create_subprocess_exec(
        *command, code, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    found = ""
    try:
        async with asyncio.timeout(20):
            while until not in found:
                line = await process.stdout.readline()
                assert line, found
                found += line.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return found


async def test_the_guides_lines_work(web: Served, client: Client, cast: Cast, sequencing: None) -> None:
    event = await postings.post_ok(client, cast.provider)
    environment = {"HUB_URL": web.url, "HUB_API_KEY": cast.consumer.api_key, "SECONDS_MAX": "15"}
    environment = {**environment, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    assert [language for language, _ in BLOCKS] == ["bash", "bash", "python"]
    stream = await _first_lines(BLOCKS[1], environment, event["id"])
    assert "event: next" in stream
    query, followed = await asyncio.gather(
        _first_lines((BLOCKS[0][0], BLOCKS[0][1] + "\necho"), environment, '"hasMore"'),
        _first_lines(BLOCKS[2], environment, " EVENT\n"),
    )
    assert event["referenceId"] in query
    assert f"{re.findall(r'id: ([0-9]+)', stream)[-1]} EVENT" in followed
