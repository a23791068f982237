"""The README's first event, as printed: its blocks are run against a hub, in the shell and in Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub.client import Hub
from hub.commands import demo
from tests.cli.running import data_folder, environment, run
from tests.cli.test_run import cut_file

ROOT = Path(__file__).parents[2]
PRINTED_URL = "http://127.0.0.1:8080"
EVENT = """query($ids: [String!]) {
  fiscalEvents(filter: {referenceIds: $ids}) { edges { node { referenceId totalAmount } } }
}"""


def blocks(language: str) -> list[str]:
    """The code blocks of a language in the README's section on the first event."""
    section = (ROOT / "README.md").read_text().split("## A first signed event")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="the shell's way needs curl and openssl"
)
def test_the_first_events_of_the_readme_are_accepted() -> None:
    with data_folder() as folder:
        home = folder / ".hub"
        home.mkdir(mode=0o711)
        with run(home, "--sample-file", str(cut_file(folder, 5)), "--port", "0") as running:
            running.wait_ready()
            first_event = "\n".join(blocks("sh")).replace(PRINTED_URL, running.url)
            shell = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", first_event],
                cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert shell.returncode == 0, shell.stderr
            answer = json.loads(shell.stdout)["data"]["postFiscalEvent"]
            assert (answer["outcome"], answer["errors"]) == ("ACCEPTED", [])
            (snippet,) = blocks("python")
            python = subprocess.run(
                [sys.executable, "-c", snippet.replace(PRINTED_URL, running.url)],
                cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert python.returncode == 0, python.stderr
            assert "'outcome': 'ACCEPTED'" in python.stdout
            kept = demo.load(home)
            assert kept is not None
            with Hub(running.url, kept.consumer_key) as hub:
                edges = hub.run(EVENT, ids=["FIRST-1", "FIRST-2"])["fiscalEvents"]["edges"]
    posted = {edge["node"]["referenceId"]: edge["node"]["totalAmount"] for edge in edges}
    assert posted == {"FIRST-1": "1250.00", "FIRST-2": "980.50"}


def test_the_first_event_takes_ten_lines_each() -> None:
    assert [len(block.splitlines()) for block in blocks("sh")] == [10, 5]
    assert [len(block.splitlines()) for block in blocks("python")] == [9]
