"""The hub as it ships, under load: its web process and worker as `fiscal-hub run` starts them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import orjson

from bench import documents
from bench.contents import Press
from bench.data import Stage, hub_environment
from bench.load import Target
from bench.processes import Running, free_port, running
from bench.works import BATCH, GROUPS, INBOX_PAGE, PAGE, Questions

CURSORS_AT_ONCE = 48


class NotOffered(Exception):
    """This server cannot do this work (yet)."""


def serve_command(port: int) -> list[str]:
    """How `fiscal-hub run` starts the web process, but for the inherited socket."""
    return [sys.executable, "-m", "hub.cli", "serve", "--port", str(port)]


@dataclass
class HubPeer:
    """The hub's requests for each kind of work, and how to read its answers."""

    stage: Stage
    questions: Questions
    server: Running
    press: Press

    name = "hub"
    title = "this hub"

    def target(self, *, provider: bool = False) -> Target:
        """Where to send as the consumer (reads) or the provider (posts)."""
        key = self.stage.demo.provider_key if provider else self.stage.demo.consumer_key
        return Target("127.0.0.1", self.server.port, headers=(("Authorization", f"Bearer {key}"),))

    def ask(self, document: str, variables: Mapping[str, Any], *, provider: bool = False) -> Any:
        """One answer's data, outside any measurement."""
        target = self.target(provider=provider)
        answer = httpx.post(
            f"http://{target.host}:{target.port}{target.path}",
            json={"query": document, "variables": variables},
            headers=dict(target.headers),
            timeout=60,
            trust_env=False,
        ).json()
        if answer.get("errors"):
            raise ValueError(f"{self.name}: {answer['errors'][0]}")
        return answer["data"]

    @cached_property
    def cursors(self) -> list[str]:
        """The cursors of the drawn page ends."""
        wanted = [f"evt_{one}" for one in self.questions.page_ends]
        edges: list[Any] = []
        for at in range(0, len(wanted), CURSORS_AT_ONCE):
            part = wanted[at : at + CURSORS_AT_ONCE]
            edges += self.ask(documents.CURSORS, {"ids": part})["fiscalEvents"]["edges"]
        found = {edge["node"]["id"]: edge["cursor"] for edge in edges}
        return [found[one] for one in wanted]

    def variables(self, work: str) -> tuple[str, list[dict[str, Any]]]:
        """The document of a reading work, and the variables of every question."""
        q = self.questions
        pages: list[dict[str, Any]] = [
            {"first": PAGE, "after": None},
            *({"first": PAGE, "after": one} for one in self.cursors),
        ]
        match work:
            case "deep_page":
                return documents.DEEP_PAGE, pages
            case "flat_page":
                return documents.FLAT_PAGE, pages
            case "by_id":
                return documents.BY_ID, [{"id": f"evt_{one}"} for one in q.ids]
            case "aggregate":
                return documents.AGGREGATE, [{"year": q.year, "head": q.head, "first": GROUPS}]
            case "inbox":
                return documents.INBOX, [{"first": INBOX_PAGE}]
        raise NotOffered(work)

    def requests(self, work: str, count: int) -> tuple[Target, list[bytes]]:
        """Requests of a work; ``count`` is how many new ones a writing work needs."""
        if work == "post":
            target = self.target(provider=True)
            return target, self.press.singles(target, documents.POST, count)
        if work in ("post_500", "post_500_once"):
            target = self.target(provider=True)
            once = work == "post_500_once"
            return target, self.press.batches(target, documents.POST_MANY, count, BATCH, signed_once=once)
        document, variables = self.variables(work)
        target = self.target()
        return target, [
            target.request(orjson.dumps({"query": document, "variables": one})) for one in variables
        ]

    def figures(self, work: str, body: bytes) -> Sequence[Any]:
        """What an answer says, in the words all servers share; raises ValueError for a wrong one."""
        data = json.loads(body)["data"]
        match work:
            case "deep_page" | "flat_page":
                return [_event(edge["node"]) for edge in data["fiscalEvents"]["edges"]]
            case "by_id":
                return [_event(data["fiscalEvent"])]
            case "aggregate":
                nodes = [edge["node"] for edge in data["fiscalEventTotals"]["edges"]]
                return [
                    (*(key["value"] for key in node["keys"]), node["net"], int(node["events"]))
                    for node in nodes
                ]
            case "inbox":
                return [_event(edge["node"]["message"]) for edge in data["inbox"]["edges"]]
            case "post":
                return [data["postFiscalEvent"]["outcome"]]
        return [result["outcome"] for result in data["postFiscalEvents"]["results"]]


def _event(node: Mapping[str, Any]) -> tuple[Any, ...]:
    lines = tuple((line["lineNo"], line["amount"], line["coaCode"]) for line in node.get("lineItems", ()))
    signed = tuple(signature["id"].partition("_")[2] for signature in node.get("signatures", ()))
    return (node["id"].partition("_")[2], node["referenceId"], node["totalAmount"], lines, signed)


@asynccontextmanager
async def serving(stage: Stage, questions: Questions, press: Press) -> AsyncIterator[HubPeer]:
    """The web process and the worker, started and ended."""
    logs = stage.folder / "bench-logs"
    async with AsyncExitStack() as stack:
        port = free_port()
        environment = hub_environment(stage.folder, stage.endpoints, port)
        server = await stack.enter_async_context(
            running(serve_command(port), environment, logs / "hub.log", port=port, ready="/health/ready")
        )
        worker = [sys.executable, "-m", "hub.cli", "worker"]
        await stack.enter_async_context(
            running(worker, environment, logs / "worker.log", port=port, ready="/health/live")
        )
        peer = HubPeer(stage, questions, server, press)
        await asyncio.to_thread(lambda: peer.cursors)
        yield peer
