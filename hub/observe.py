"""What the hub tells its keepers: structured log lines without secrets, and metrics of bounded size."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.typing import EventDict, Processor

# Libraries that write what they handle (parameters, rows, mails, URLs) into their debug lines.
TALKATIVE = (
    "sqlalchemy",
    "asyncpg",
    "httpx",
    "httpcore",
    "redis",
    "arq",
    "aiosmtplib",
    "mail",
    "alembic",
    "asyncio",
    "uvicorn.access",
    "python_multipart",
    "graphql",
    "strawberry",
)
FRAMES_MAX = 8
FRAMES_INNERMOST = 4
CAUSES_MAX = 10
VALUE_CHARACTERS_MAX = 500
REQUEST_PARTS_MAX = 10_000
HIDDEN = "[hidden]"
HIDDEN_NAMES = frozenset(
    {
        "account",
        "address",
        "amount",
        "api_key",
        "authorization",
        "body",
        "code_text",
        "comments",
        "cookie",
        "email",
        "headers",
        "key",
        "otp",
        "password",
        "payload",
        "person",
        "phone",
        "query",
        "secret",
        "session",
        "token",
        "url",
        "variables",
    }
)
_SECRETS = re.compile(
    r"fhub_\w+"  # API keys
    r"|(?i:bearer|basic)\s+\S+"  # Authorization
    r"|(?i:hub_\w+|session|cookie|token|secret|password)=[^\s;,&]+"
    r"|[\w.+-]+@[\w-]+\.[\w.-]*\w(?![\w@])"  # e-mail; unique ids are handled before
    r"|(?<![\w-])\+?\d[\d ()-]{6,18}\d(?![\w-])"  # one-time codes, phones, accounts
    r"|\w+://[^\s/@]+:[^\s/@]+@\S+"  # addresses with a password
)
_OUR_FIELDS = frozenset(
    {"caller", "event", "fields", "level", "logger", "ms", "outcome", "timestamp", "trace_id"}
)
_UNIQUE_ID = re.compile(r"[a-z0-9-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|[0-9a-f-]{36}|-")


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """Drop what looks like a secret or a person, whoever wrote it: the second line of defence.

    The first is that nobody logs such values. Only ``caller`` may look like an e-mail address, since a
    system's unique id does.
    """
    for name, value in event.items():
        if name == "caller" and isinstance(value, str) and _UNIQUE_ID.fullmatch(value):
            continue
        if name in {"timestamp", "trace_id", "level", "ms"}:
            continue
        if name.lower() in HIDDEN_NAMES and value is not None:
            event[name] = HIDDEN
        else:
            event[name] = _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRETS.sub(HIDDEN, value[:VALUE_CHARACTERS_MAX])
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if str(name).lower() in HIDDEN_NAMES else _clean(member)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(member) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _SECRETS.sub(HIDDEN, str(value)[:VALUE_CHARACTERS_MAX])


def without_text(_: Any, __: str, event: EventDict) -> EventDict:
    """An exception as its types and places: its text may quote parameters, so it is never written."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return event
    kinds: list[str] = []
    current: BaseException | None = error
    while current is not None and len(kinds) < CAUSES_MAX:
        state = getattr(current, "sqlstate", None)
        kinds.append(
            f"{type(current).__module__}.{type(current).__qualname__}" + (f" {state}" if state else "")
        )
        current = current.__cause__ or getattr(current, "orig", None) or current.__context__
    event["exception"] = kinds
    event["frames"] = _frames(error)
    return event


def _frames(error: BaseException) -> list[str]:
    """Where it happened: the places in our own code, and the innermost ones in whose ever it was."""
    found = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in found[:-FRAMES_INNERMOST] if "site-packages" not in frame.filename]
    return [
        f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
        for frame in [*own[-FRAMES_MAX:], *found[-FRAMES_INNERMOST:]]
    ]


def configure(*, development: bool = False, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send every log line of this process, ours and the libraries', through one redacting writer.

    JSON lines on stderr; readable text on a developer's terminal. Called once by the entry points.
    """
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_text,
        redact,
    ]
    terminal = development and target.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=True) if terminal else structlog.processors.JSONRenderer()
    )
    handler = LineHandler(target, readable=terminal)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class LineHandler(logging.StreamHandler[TextIO]):
    """The process's writer of log lines; ``readable`` says that a person reads them on a terminal."""

    def __init__(self, stream: TextIO, *, readable: bool) -> None:
        super().__init__(stream)
        self.readable = readable

    def write(self, line: str) -> None:
        """One finished line; a stream that is gone costs the line and nothing else."""
        self.acquire()
        try:
            self.stream.write(line)
            self.stream.flush()
        except (OSError, ValueError):
            return
        finally:
            self.release()


class RequestLog:
    """The one line of each request, written without structlog's chain, as every request pays for it.

    Its fields are the hub's own and few: what may differ but for time and trace id is redacted once and kept.
    Where lines are not JSON by ``configure``, structlog writes this one like any other.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger("hub.request")
        self._parts: dict[tuple[str, tuple[str, ...], str], str] = {}

    def write(
        self, trace_id: str, caller: str, fields: tuple[str, ...], outcome: str, seconds: float
    ) -> None:
        """Say who asked for what and how it went; the trace id is one that `Traced` let in or made."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        ms = round(seconds * 1000, 1)
        for handler in logging.root.handlers:
            if isinstance(handler, LineHandler) and not handler.readable:
                part = self._parts.get((caller, fields, outcome)) or self._keep(caller, fields, outcome)
                at = datetime.now(UTC).isoformat()[:-6]
                handler.write(f'{{"trace_id":"{trace_id}",{part},"ms":{ms},"timestamp":"{at}Z"}}\n')
                return
        structlog.get_logger("hub.request").info(
            "request", trace_id=trace_id, caller=caller, fields=fields, outcome=outcome, ms=ms
        )

    def _keep(self, caller: str, fields: tuple[str, ...], outcome: str) -> str:
        said: EventDict = {"caller": caller, "fields": fields, "outcome": outcome}
        said = {**redact(None, "", said), "event": "request", "level": "info", "logger": "hub.request"}
        if len(self._parts) >= REQUEST_PARTS_MAX:
            self._parts.clear()
        part = self._parts[caller, fields, outcome] = orjson.dumps(said).decode()[1:-1]
        return part


class Metrics:
    """The process's numbers in a registry of their own; labels come from the schema and the code list alone."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "hub_graphql_requests_total",
            "GraphQL requests by root field and outcome (OK or an error code).",
            ["field", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hub_graphql_request_seconds",
            "Time to answer a GraphQL request.",
            ["kind"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self._pool = Gauge(
            "hub_database_connections", "Connections of the pool.", ["state"], registry=self.registry
        )
        self._jobs = Gauge("hub_jobs", "Jobs by state.", ["state"], registry=self.registry)
        self._log_waiting = Gauge(
            "hub_log_waiting", "Facts that wait for their number in the log.", registry=self.registry
        )
        self._log_lag = Gauge(
            "hub_log_lag_seconds", "How long the first of them has waited.", registry=self.registry
        )
        self._redis = Gauge("hub_redis_up", "1 while Redis answers.", registry=self.registry)
        self._group_sizes = Histogram(
            "hub_post_group_size",
            "Single posts stored by one transaction.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self._group_seconds = Histogram(
            "hub_post_group_seconds",
            "Time to check and store one group of single posts.",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self._posts_waiting = Gauge(
            "hub_posts_waiting", "Single posts that wait for their turn.", registry=self.registry
        )
        self._streams = Gauge(
            "hub_subscriptions", "Subscriptions that are served now.", registry=self.registry
        )
        self._reading = Gauge(
            "hub_reading_connections", "Connections for single reads.", ["state"], registry=self.registry
        )
        self._replica_up = Gauge("hub_replica_up", "1 while the replica keeps up.", registry=self.registry)
        self._replica_reads = Gauge(
            "hub_replica_reads",
            "Reads that could go to the replica since the start: answered by it, or by the primary because it"
            " was behind or away.",
            ["outcome"],
            registry=self.registry,
        )
        # Looking a child up by its labels takes longer than counting; there are as many as fields times codes.
        self._counted: dict[tuple[str, str], Counter] = {}
        self._timed: dict[str, Histogram] = {}

    def answered(self, kind: str, fields: tuple[str, ...], outcome: str, seconds: float) -> None:
        """Count one request under each of its root fields."""
        for name in fields or ("none",):
            counter = self._counted.get((name, outcome))
            if counter is None:
                counter = self._counted[name, outcome] = self._requests.labels(name, outcome)
            counter.inc()
        timed = self._timed.get(kind)
        if timed is None:
            timed = self._timed[kind] = self._seconds.labels(kind)
        timed.observe(seconds)

    def measured(self, *, pool: Mapping[str, int], jobs: Mapping[str, int] | None, redis: bool) -> None:
        """Take over what was looked up for this scrape."""
        for state, count in pool.items():
            self._pool.labels(state).set(count)
        # A state without jobs is not reported, so what stood there at the last scrape must go.
        self._jobs.clear()
        for state, count in (jobs or {}).items():
            self._jobs.labels(state).set(count)
        self._redis.set(1 if redis else 0)

    def logged(self, waiting: int, seconds: float) -> None:
        """Take over how far the log is behind."""
        self._log_waiting.set(waiting)
        self._log_lag.set(seconds)

    def grouped(self, size: int, seconds: float) -> None:
        """Count one group of single posts."""
        self._group_sizes.observe(size)
        self._group_seconds.observe(seconds)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Ask at every scrape how many single posts wait."""
        self._posts_waiting.set_function(waiting)

    def watch_streams(self, open_now: Callable[[], int]) -> None:
        """Ask at every scrape how many subscriptions are served."""
        self._streams.set_function(open_now)

    def read(self, *, reading: Mapping[str, int], replica: tuple[bool, Mapping[str, int]] | None) -> None:
        """Take over how single reads go, and where to."""
        for state, count in reading.items():
            self._reading.labels(state).set(count)
        if replica is not None:
            self._replica_up.set(1 if replica[0] else 0)
            for outcome, count in replica[1].items():
                self._replica_reads.labels(outcome).set(count)

    def page(self) -> bytes:
        """The text a Prometheus server scrapes."""
        return generate_latest(self.registry)
