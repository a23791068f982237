"""The servers compared with that take requests: PostGraphile, and Strawberry over the ORM. They verify nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import httpx
import orjson

from bench import peerrows
from bench.contents import Press
from bench.data import Stage
from bench.hubpeer import NotOffered
from bench.load import Target
from bench.processes import Running, free_port, running
from bench.works import BATCH, GROUPS, INBOX_PAGE, PAGE, Questions
from hub.client import event_bytes
from hub.kit.ids import new_id
from hub.settings import Settings

NODE_FOLDER = Path(__file__).with_name("postgraphile")
# Each server may hold as many connections to the database as the hub does.
POOL = Settings.model_fields["pool_size"].default

LINE = """lineNo amount currency coaCode locationCode locationPath programCode projectCode
  administrativeHierarchyCode administrativeHierarchyPath departmentCode departmentPath periodStart periodEnd
  attributes reversesLineNo"""
SIGNATURE = "system keyId purpose comments signedAt receivedAt eSign"
OWN = """sender government postedAt referenceId eventTime type majorType subType qualifier process attributeGroup
  classification schemaVersion currency totalAmount fiscalYear contentDigest attributes"""
FLAT = "sender referenceId postedAt eventTime type subType currency totalAmount fiscalYear"
PAGE_INFO = "pageInfo { hasNextPage endCursor }"


@dataclass(frozen=True)
class Template:
    """A stored event's values that every event has alike."""

    posting: dict[str, Any]
    signature: dict[str, Any]


async def read_template(stage: Stage) -> Template:
    """Of the first event."""
    db = await stage.administrator()
    try:
        posting = await db.fetch("SELECT * FROM peer.posting WHERE kind = 'EVENT' ORDER BY id LIMIT 1")
        signature = await db.fetch(
            "SELECT * FROM peer.posting_signature WHERE posting_id = $1 LIMIT 1", posting[0]["id"]
        )
    finally:
        await db.close()
    return Template(dict(posting[0]), dict(signature[0]))


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


@dataclass
class PlainPeer:
    """What both have in common: the questions, the rows to insert, and how answers read."""

    stage: Stage
    questions: Questions
    server: Running
    press: Press
    template: Template

    name: ClassVar[str]
    id_name: ClassVar[str]
    reads: ClassVar[Mapping[str, str]]
    posts: ClassVar[Mapping[str, str]]
    cursors: Sequence[str] = ()

    @property
    def target(self) -> Target:
        """Where to send."""
        return Target("127.0.0.1", self.server.port)

    def requests(self, work: str, count: int) -> tuple[Target, list[bytes]]:
        """Where to send what; raises NotOffered for what only the hub does."""
        if work in self.reads:
            asked = [(self.reads[work], one) for one in self._variables(work)]
        elif work == "post":
            asked = [(self.posts[work], self.single(one)) for one in self._events(count)]
        elif work == "post_500":
            asked = [(self.posts[work], self.batch(self._events(BATCH))) for _ in range(count)]
        else:
            raise NotOffered(work)
        target = self.target
        return target, [
            target.request(orjson.dumps({"query": document, "variables": variables}, default=str))
            for document, variables in asked
        ]

    def _variables(self, work: str) -> list[dict[str, Any]]:
        q = self.questions
        match work:
            case "by_id":
                return [{"id": one} for one in q.ids]
            case "aggregate":
                return [{"year": q.year, "head": q.head, "first": GROUPS}]
            case "inbox":
                return [{"system": q.consumer_id, "first": INBOX_PAGE}]
        return [{"first": PAGE, "after": None}, *({"first": PAGE, "after": one} for one in self.cursors)]

    def _events(self, count: int) -> list[dict[str, Any]]:
        return [self._event(content) for content in self.press.contents(count)]

    def _event(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The rows of one event, by column, as a client that signs nothing would send them."""
        template, framed, new = self.template, event_bytes(content), new_id()
        lines = content["lines"]
        posting = {name: _plain(value) for name, value in template.posting.items() if value is not None}
        posting |= {
            "id": new,
            "reference_id": content["referenceId"],
            "event_time": content["eventTime"],
            "total_amount": str(sum(Decimal(line["amount"]) for line in lines)),
            "attributes": content["attributes"],
            "warnings": [],
            "content": base64.b64encode(framed).decode(),
            "content_digest": base64.b64encode(hashlib.sha256(framed).digest()).decode(),
        }
        known = ("amount", "currency", "coaCode", "periodStart", "periodEnd", "lineNo")
        rows = [{**{name: line[name] for name in known}, "postingId": new} for line in lines]
        signature = {name: _plain(value) for name, value in template.signature.items() if value is not None}
        signature |= {"id": new_id(), "posting_id": new}
        return {"posting": _camel(posting), "lines": rows, "signature": _camel(signature)}

    def single(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The variables that insert one event."""
        raise NotImplementedError

    def batch(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The variables that insert many."""
        raise NotImplementedError

    def figures(self, work: str, body: bytes) -> Sequence[Any]:
        """What an answer says, in the words all servers share."""
        data = json.loads(body)["data"]
        match work:
            case "deep_page" | "flat_page":
                return [self._read(edge["node"]) for edge in data["page"]["edges"]]
            case "by_id":
                return [self._read(data["event"])]
            case "inbox":
                return [self._read(edge["node"]["message"]) for edge in data["inbox"]["edges"]]
            case "aggregate":
                return self.totals(data)
        # An insert that failed is an error at the top, which the load generator sees.
        return ["ACCEPTED" if all(data.values()) else "REFUSED"]

    def totals(self, data: Mapping[str, Any]) -> Sequence[Any]:
        """The groups of an aggregate."""
        raise NotImplementedError

    def _read(self, node: Mapping[str, Any]) -> tuple[Any, ...]:
        lines = tuple((line["lineNo"], line["amount"], line["coaCode"]) for line in node.get("lines", ()))
        signed = tuple(signature[self.id_name] for signature in node.get("signatures", ()))
        return (node[self.id_name], node["referenceId"], node["totalAmount"], lines, signed)

    def ask(self, document: str, variables: Mapping[str, Any]) -> Any:
        """One answer's data, outside any measurement."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.server.port}/graphql",
            json={"query": document, "variables": variables},
            timeout=60,
            trust_env=False,
        ).json()
        if answer.get("errors"):
            raise ValueError(f"{self.name}: {answer['errors'][0]}")
        return answer["data"]


def _camel(row: Mapping[str, Any]) -> dict[str, Any]:
    def name(text: str) -> str:
        first, *rest = text.split("_")
        return first + "".join(part.capitalize() for part in rest)

    return {name(key): value for key, value in row.items()}


def _pg_deep(own: str) -> str:
    return f"""rowId {own} lines: postingLinesByPostingIdList {{ {LINE} }}
    signatures: postingSignaturesByPostingIdList {{ rowId {SIGNATURE} }}"""


def _pg_page(name: str, fields: str) -> str:
    return f"""query {name}($first: Int!, $after: Cursor) {{
  page: allPostings(first: $first, after: $after, condition: {{kind: "EVENT"}}, orderBy: [ROW_ID_DESC]) {{
    edges {{ cursor node {{ {fields} }} }} {PAGE_INFO}
  }}
}}"""


class PostGraphile(PlainPeer):
    """PostGraphile 5 with its aggregates plugin."""

    name = "postgraphile"
    id_name = "rowId"
    reads: ClassVar = {
        "deep_page": _pg_page("DeepPage", _pg_deep(OWN)),
        "flat_page": _pg_page("FlatPage", f"rowId {FLAT}"),
        "by_id": f"query ById($id: UUID!) {{ event: postingByRowId(rowId: $id) {{ {_pg_deep(OWN)} }} }}",
        "aggregate": """query HeadByMonth($year: Int!, $head: String!) {
  lines: allEventLines(condition: {fiscalYear: $year, head: $head}) {
    groupedAggregates(groupBy: [COA_CODE, MONTH, CURRENCY]) {
      keys sum { amount } distinctCount { postingId }
    }
  }
}""",
        "inbox": f"""query Inbox($system: UUID!, $first: Int!) {{
  inbox: allInboxEntries(first: $first, condition: {{systemId: $system, readAt: null}}, orderBy: [POSTING_ID_ASC]) {{
    edges {{ cursor node {{ deliveredAt readAt
      message: postingByPostingId {{ rowId {OWN} lines: postingLinesByPostingIdList {{ {LINE} }} }}
    }} }} {PAGE_INFO}
  }}
}}""",
    }
    posts: ClassVar = {
        "post": """mutation Post($input: PostEventInput!) {
  postEvent(input: $input) { result { rowId postedAt } }
}""",
        "post_500": "mutation PostMany($input: PostEventsInput!) { postEvents(input: $input) { result } }",
    }

    def single(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One call of the function that inserts an event."""
        posting, lines, signature = self._rows(event)
        return {"input": {"event": posting, "lines": lines, "signatures": [signature]}}

    def batch(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """One call of the function that inserts many."""
        rows = [self._rows(event) for event in events]
        return {
            "input": {
                "events": [posting for posting, _, _ in rows],
                "lines": [line for _, lines, _ in rows for line in lines],
                "signatures": [signature for _, _, signature in rows],
            }
        }

    def _rows(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
        posting, signature = dict(event["posting"]), dict(event["signature"])
        posting["rowId"], signature["rowId"] = posting.pop("id"), signature.pop("id")
        filled = {"tenantId": posting["tenantId"], "tags": [], "attributes": {}}
        return posting, [{**line, **filled} for line in event["lines"]], signature

    def totals(self, data: Mapping[str, Any]) -> Sequence[Any]:
        """The plugin orders nothing and has no limit: the client sorts and cuts."""
        groups = [
            (
                group["keys"][0],
                group["keys"][1],
                group["sum"]["amount"],
                int(group["distinctCount"]["postingId"]),
            )
            for group in data["lines"]["groupedAggregates"]
        ]
        return sorted(groups)[:GROUPS]

    def find_cursors(self) -> None:
        """The cursors of the drawn page ends, in this server's words."""
        document = """query Cursor($id: UUID!) {
  allPostings(first: 1, condition: {kind: "EVENT", rowId: $id}, orderBy: [ROW_ID_DESC]) { edges { cursor } }
}"""
        found = [self.ask(document, {"id": one})["allPostings"]["edges"] for one in self.questions.page_ends]
        self.cursors = [edges[0]["cursor"] for edges in found]


ORM_SIGNATURE = frozenset(
    [
        "id",
        "postingId",
        "systemId",
        "system",
        "keyId",
        "purpose",
        "comments",
        "signedAt",
        "receivedAt",
        "statement",
        "eSign",
    ]
)
ORM_LISTS = f"lines {{ {LINE} }}"
ORM_DEEP = f"id {OWN} {ORM_LISTS} signatures {{ id {SIGNATURE} }}"


def _orm_page(name: str, fields: str) -> str:
    return f"""query {name}($first: Int!, $after: String) {{
  page: events(first: $first, after: $after) {{ edges {{ cursor node {{ {fields} }} }} {PAGE_INFO} }}
}}"""


class Orm(PlainPeer):
    """Strawberry over the ORM."""

    name = "orm"
    id_name = "id"
    reads: ClassVar = {
        "deep_page": _orm_page("DeepPage", ORM_DEEP),
        "flat_page": _orm_page("FlatPage", f"id {FLAT}"),
        "by_id": f"query ById($id: UUID!) {{ event(id: $id) {{ {ORM_DEEP} }} }}",
        "aggregate": """query HeadByMonth($year: Int!, $head: String!, $first: Int!) {
  totals(year: $year, head: $head, first: $first) { coaCode month currency net events }
}""",
        "inbox": f"""query Inbox($system: UUID!, $first: Int!) {{
  inbox(systemId: $system, first: $first) {{
    edges {{ cursor node {{ deliveredAt readAt message {{ id {OWN} {ORM_LISTS} }} }} }} {PAGE_INFO}
  }}
}}""",
    }
    posts: ClassVar = {
        "post": "mutation Post($event: EventInput!) { postEvent(event: $event) }",
        "post_500": "mutation PostMany($events: [EventInput!]!) { postEvents(events: $events) }",
    }

    def single(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One event with its lists inside."""
        return {"event": self._nested(event)}

    def batch(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Many of them."""
        return {"events": [self._nested(event) for event in events]}

    def _nested(self, event: Mapping[str, Any]) -> dict[str, Any]:
        signature = {name: value for name, value in event["signature"].items() if name in ORM_SIGNATURE}
        qualifier = event["posting"].get("qualifier")
        return {
            **event["posting"],
            "qualifier": qualifier,
            "lines": event["lines"],
            "signatures": [signature],
        }

    def totals(self, data: Mapping[str, Any]) -> Sequence[Any]:
        """As they come."""
        return [(one["coaCode"], one["month"], one["net"], one["events"]) for one in data["totals"]]

    def find_cursors(self) -> None:
        """This server's cursors are the ids."""
        self.cursors = list(self.questions.page_ends)


def database_url(stage: Stage) -> str:
    """The peers' own way in."""
    return f"postgresql+asyncpg://{peerrows.ROLE}:{peerrows.PASSWORD}@/hub?host={stage.sockets}"


@asynccontextmanager
async def serving_postgraphile(
    stage: Stage, questions: Questions, press: Press
) -> AsyncIterator[PostGraphile]:
    """PostGraphile in production mode, started and ended."""
    port = free_port()
    environment = {
        **os.environ,
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
        "BENCH_SOCKETS": stage.sockets,
        "BENCH_ROLE": peerrows.ROLE,
        "BENCH_PASSWORD": peerrows.PASSWORD,
        "BENCH_POOL": str(POOL),
        "BENCH_PORT": str(port),
    }
    command = [shutil.which("node") or "node", str(NODE_FOLDER / "server.mjs")]
    log = stage.folder / "bench-logs" / "postgraphile.log"
    async with running(command, environment, log, port=port, ready="/graphql") as server:
        peer = PostGraphile(stage, questions, server, press, await read_template(stage))
        peer.find_cursors()
        yield peer


@asynccontextmanager
async def serving_orm(stage: Stage, questions: Questions, press: Press) -> AsyncIterator[Orm]:
    """Strawberry over the ORM, started and ended."""
    port = free_port()
    environment = {
        **os.environ,
        "BENCH_DATABASE_URL": database_url(stage),
        "BENCH_POOL": str(POOL),
    }
    command = [sys.executable, "-m", "uvicorn", "bench.orm.app:app", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning", "--loop", "uvloop"]
    log = stage.folder / "bench-logs" / "orm.log"
    async with running(command, environment, log, port=port, ready="/health") as server:
        peer = Orm(stage, questions, server, press, await read_template(stage))
        peer.find_cursors()
        yield peer
