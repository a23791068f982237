"""The `fiscal-hub` command: run, stop, serve, worker, migrate, doctor, and what operators need."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
import uvicorn
from nacl.signing import SigningKey
from pydantic import SecretStr, ValidationError
from rich.console import Console

from hub import migrate as migrations, observe, sample
from hub.client import Hub, HubRefused, Signer
from hub.commands import demo, doctor as doctors, instance
from hub.commands.children import end_with_parent
from hub.commands.options import DataDir, Parent, fail, revealed
from hub.commands.run import Addresses, CannotRun, Order, run as run_hub
from hub.commands.screen import Screen
from hub.db import Database, Transaction
from hub.domain import registry
from hub.domain.registry import CreateTenant, HubCaller
from hub.embedded import EmbeddedError, EmbeddedServers
from hub.errors import Refusal
from hub.means import Means
from hub.settings import Settings
from hub.signing import NoteKey
from hub.wiring import connect, make_means

T = TypeVar("T")

DETACH_SECONDS = 900.0
GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 65
STALLED_SECONDS = 60.0
# A WebSocket carries documents and variables alone, never bulk: reading starts before anybody has said who it is.
SOCKET_BYTES_MAX = 128 * 1024
CALLER = HubCaller("command line")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
tenants = typer.Typer(no_args_is_help=True, help="Governments that run on the hub.")
operators = typer.Typer(no_args_is_help=True, help="People who keep a government's registries.")
app.add_typer(tenants, name="tenant")
app.add_typer(operators, name="operator")
verifying = typer.Typer(no_args_is_help=True, help="Check the log, and the database against it.")
app.add_typer(verifying, name="verify")


def main() -> None:
    """The console script: expected trouble is a sentence and an exit code, never a traceback."""
    try:
        app()
    except ValidationError as error:
        wrong = "; ".join(
            f"HUB_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)
        )
        fail(f"The settings are not well: {wrong}")
    except Refusal as refused:
        fail("; ".join(f"{problem.code.value}: {problem.message}" for problem in refused.problems))
    except (EmbeddedError, CannotRun, demo.ChartRefused, TimeoutError, ValueError) as error:
        fail(str(error))
    except HubRefused as refused:
        fail(f"The hub refused: {refused}")
    except httpx.HTTPError as error:
        fail(f"The hub cannot be reached: {type(error).__name__}")


def _settings(data_dir: Path | None = None, **changes: object) -> Settings:
    """The settings, with what the command line says instead; the data folder as an absolute path."""
    settings = Settings()
    folder = (data_dir or settings.data_dir).absolute()
    return settings.model_copy(update={"data_dir": folder, **changes})


@app.command()
def run(
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(help="Default: HUB_PORT, or the next free one.")] = None,
    sample_wanted: Annotated[
        bool, typer.Option("--sample/--no-sample", help="Import the sample figures.")
    ] = True,
    sample_file: Annotated[Path | None, typer.Option(help="Other figures in the same columns.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once the hub answers; it runs on.")
    ] = False,
) -> None:
    """Start everything and stay: servers, web process, worker; in development with a demonstration to look at."""
    settings = _settings(data_dir)
    if detach:
        _run_detached(settings.data_dir)
        return
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    development = settings.mode == "development"
    order = Order(
        data_dir=settings.data_dir,
        host=settings.host,
        port=settings.port if port is None else port,
        database_url=revealed(settings.database_url),
        owner_url=revealed(settings.database_owner_url),
        redis_url=revealed(settings.redis_url),
        demo=development,
        sample=(sample_file or sample.sample_path()) if development and sample_wanted else None,
        port_is_fixed=port is not None,
        web_processes=settings.web_processes,
    )

    def open_database(addresses: Addresses) -> tuple[Database, Means]:
        return _open(settings, addresses.database_url, addresses.redis_url)

    try:
        asyncio.run(run_hub(order, Screen(Console()), open_database))
    except instance.AlreadyRunning as running:
        found = running.instance
        where = f" at {found.url}/graphql" if found is not None and found.url else ""
        fail(f"A hub runs on {settings.data_dir} already{where}. `fiscal-hub stop` ends it.")


def _open(settings: Settings, database_url: str, redis_url: str) -> tuple[Database, Means]:
    reached = settings.model_copy(
        update={"database_url": SecretStr(database_url), "redis_url": SecretStr(redis_url)}
    )
    return connect(reached)[0], make_means(reached)


def _run_detached(data_dir: Path) -> None:
    """Start the same command in a session of its own, and wait until it answers or ends."""
    logs = data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    with (logs / "run.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "hub.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACH_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        found = instance.find(data_dir)
        if found is not None and found.pid == process.pid and found.url:
            sys.stdout.write((logs / "run.log").read_text())
            return
        time.sleep(0.2)
    sys.stdout.write((logs / "run.log").read_text())
    fail("The hub did not start.")


@app.command()
def stop(data_dir: DataDir = None) -> None:
    """End the hub that runs on this data folder, from any terminal."""
    found = instance.stop(_settings(data_dir).data_dir)
    Console().print("No hub runs here." if found is None else "The hub has stopped.")


class Server(uvicorn.Server):
    """Sends those who listen to streams away first, so that stopping waits for none of them.

    The kernel ends connections whose other side takes nothing: a reader that stands still holds a buffer of ours, and
    closing waits for it to be taken.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; connections take the listening socket's options over."""
        await super().startup(sockets)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            for listening in [each for server in self.servers for each in server.sockets]:
                if listening.family in {socket.AF_INET, socket.AF_INET6}:
                    milliseconds = int(STALLED_SECONDS * 1000)
                    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else."""
        served: Any = self.config.loaded_app
        while served is not None and not hasattr(served, "end_streams"):
            served = getattr(served, "app", None)
        if served is not None:
            served.end_streams()
        await super().shutdown(sockets)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Default: HUB_PORT.")] = None,
    descriptor: Annotated[int | None, typer.Option(hidden=True, help="A listening socket to serve.")] = None,
    parent: Parent = None,
) -> None:
    """Run the web process alone, on the configured PostgreSQL and Redis."""
    settings = _settings()
    if parent is not None:
        end_with_parent(parent)
    config = uvicorn.Config(
        "hub.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port if port is None else port,
        loop="auto",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws_max_size=SOCKET_BYTES_MAX,
    )
    sockets = [socket.socket(fileno=descriptor)] if descriptor is not None else None
    Server(config).run(sockets=sockets)


@app.command()
def worker(parent: Parent = None) -> None:
    """Run the worker alone, on the configured PostgreSQL and Redis."""
    from hub import worker as workers  # noqa: PLC0415 - what only one command needs, the others need not load

    settings = _settings()
    if parent is not None:
        end_with_parent(parent)
    level = logging.getLevelNamesMapping()[settings.log_level]
    observe.configure(development=settings.mode == "development", level=level)
    asyncio.run(workers.run(settings))


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to this version: the configured one as its owner, else the embedded one."""
    settings = _settings(data_dir)
    seal = migrations.sealing(make_means(settings))
    if settings.database_url is None:
        asyncio.run(_migrate_embedded(settings.data_dir, seal))
    else:
        owner_url = revealed(settings.database_owner_url)
        if not owner_url:
            raise CannotRun("Set HUB_DATABASE_OWNER_URL to the address of the role that owns the tables")
        migrations.upgrade(owner_url, revealed(settings.database_url), seal=seal)
    Console().print(f"The database is at version {migrations.head()}.")


async def _migrate_embedded(data_dir: Path, seal: migrations.Seal) -> None:
    if instance.find(data_dir) is not None:
        raise CannotRun("A hub runs on this data folder; it migrated the database when it started")
    async with EmbeddedServers(data_dir, redis=False).running() as endpoints:
        await asyncio.to_thread(migrations.upgrade, endpoints.owner_url, endpoints.database_url, seal=seal)


@app.command()
def sequence(data_dir: DataDir = None, parent: Parent = None) -> None:
    """Run the log's sequencer by itself; a worker runs one as well, and of all there are one leads at a time."""
    from hub import worker as workers  # noqa: PLC0415 - nothing else of the command needs it

    if parent is not None:
        end_with_parent(parent)
    asyncio.run(workers.run_sequencer(_settings(data_dir)))


@verifying.command("database")
def verify_database(
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint kept outside the hub.")] = None,
    log_key: Annotated[
        str | None, typer.Option(help="The log's first key (name+hash+base64); default: the hub's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per finding.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Derive every leaf of the log from the rows again and name each row that does not fit; exit code 1 then."""
    from hub.commands import verify  # noqa: PLC0415 - nothing else of the command needs it

    means = make_means(_settings(data_dir))
    trusted = NoteKey.parse(log_key) if log_key else NoteKey(means.log_origin, means.log_key.public)
    kept = checkpoint.read_text() if checkpoint else None
    count = _on_database(
        data_dir,
        lambda url: verify.audit(url, trusted.name, trusted.public, kept, typer.echo, as_json=as_json),
    )
    if count:
        sys.exit(1)


@verifying.command("log")
def verify_log(
    url: Annotated[str, typer.Option(help="The hub, such as https://hub.example.")],
    key: Annotated[str, typer.Option(help="The log's key, name+hash+base64, from a place you trust.")],
    state: Annotated[Path, typer.Option(help="Where to remember what was seen.")] = Path("log-state.json"),
    witness: Annotated[list[str] | None, typer.Option(help="A witness's key you trust; any number.")] = None,
    quorum: Annotated[int, typer.Option(help="How many of them must have cosigned; 0: all.")] = 0,
    once: Annotated[bool, typer.Option(help="Look once instead of for ever.")] = False,
) -> None:
    """Follow a hub's log: every checkpoint must continue the one before. Exit code 1 when one does not.

    Exit code 3, with --once: too few of the witnesses have cosigned it so far.
    """
    from hub.client.following import LogMisbehaved, NotCosigned  # noqa: PLC0415
    from hub.commands import verify  # noqa: PLC0415

    try:
        verify.follow(url, verify.trusted(key, witness, quorum), state, typer.echo, once=once)
    except LogMisbehaved as misbehaved:
        fail(f"THE LOG MISBEHAVED: {misbehaved}. The proof lies in {state}.proof.json")
    except NotCosigned as waits:
        fail(f"The log cannot be judged yet: {waits}", code=3)


@verifying.command("evidence")
def verify_evidence(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="As `evidence(id)` gives it.")],
    hub_key: Annotated[str, typer.Option(help="The hub's public key in base64, from a place you trust.")],
    log_key: Annotated[str, typer.Option(help="The log's key, name+hash+base64, from a place you trust.")],
    system_key: Annotated[
        list[str] | None, typer.Option(help="A system's key you trust, sgk_...=base64; any number.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per step.")] = False,
) -> None:
    """Check an evidence file offline, step by step; exit code 1 when a step does not hold."""
    from hub.commands import verify  # noqa: PLC0415

    try:
        trust = verify.trust(hub_key, log_key, system_key or [])
    except ValueError as wrong:
        fail(str(wrong), code=2)
    if not verify.evidence(file, trust, typer.echo, as_json=as_json):
        sys.exit(1)


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Say what was found, what is wrong and how to mend it; exit code 1 when something is wrong."""
    settings = _settings(data_dir)
    production = settings.mode == "production"
    needed = {
        "HUB_MASTER_KEY": settings.master_key,
        "HUB_SIGNING_KEY": settings.signing_key,
        "HUB_LOG_KEY": settings.log_key,
        "HUB_VAULT_KEY": settings.vault_key,
        "HUB_SMTP_HOST": settings.smtp_host,
        "HUB_PUBLIC_URL": settings.public_url,
    }
    findings = doctors.examine(
        settings.data_dir,
        database_url=revealed(settings.database_url),
        owner_url=revealed(settings.database_owner_url),
        redis_url=revealed(settings.redis_url),
        production=production,
        missing=[name for name, value in needed.items() if production and value is None],
    )
    console = Console()
    for finding in findings:
        mark, style = ("ok", "green") if finding.is_ok else ("WRONG", "bold red")
        console.print(
            f"{mark:>5}  {finding.subject}: {finding.found}",
            style=style,
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        if not finding.is_ok:
            console.print(f"       → {finding.mend}", markup=False, highlight=False, soft_wrap=True)
    if not all(finding.is_ok for finding in findings):
        sys.exit(1)


def _in_transaction(data_dir: Path | None, verb: Callable[[Transaction], Awaitable[T]]) -> T:
    """One verb on the configured database, or on the embedded one."""

    async def act(database_url: str) -> T:
        db = Database.connect(database_url, pool_size=1)
        try:
            async with db.transaction() as tx:
                return await verb(tx)
        finally:
            await db.close()

    return _on_database(data_dir, act)


def _on_database(data_dir: Path | None, act: Callable[[str], Awaitable[T]]) -> T:
    """Something done with the address of the configured or embedded database, which is started if nobody runs it."""
    settings = _settings(data_dir)

    async def act_configured(database_url: str) -> T:
        return await act(database_url)

    async def act_embedded() -> T:
        if instance.find(settings.data_dir) is not None:
            return await act(instance.embedded_database_url(settings.data_dir))
        async with EmbeddedServers(settings.data_dir, redis=False).running() as endpoints:
            return await act(endpoints.database_url)

    configured = revealed(settings.database_url)
    return asyncio.run(act_configured(configured) if configured else act_embedded())


@tenants.command("create")
def create_tenant(
    code: Annotated[str, typer.Argument(help="Short code, such as pb.")],
    slug: Annotated[str, typer.Argument(help="Part of its systems' names, such as punjab.")],
    name: Annotated[str, typer.Argument(help="Its name, such as Punjab.")],
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "INR",
    time_zone: Annotated[str, typer.Option(help="IANA name.")] = "Asia/Kolkata",
    fiscal_year_start: Annotated[str, typer.Option(help="First day of the fiscal year, MM-DD.")] = "04-01",
    data_dir: DataDir = None,
) -> None:
    """Bring a government onto the hub."""
    command = CreateTenant(
        code=code,
        slug=slug,
        name=name,
        currency=currency,
        time_zone=time_zone,
        fiscal_year_start=fiscal_year_start,
    )
    made = _in_transaction(data_dir, lambda tx: registry.create_tenant(tx, CALLER, command))
    Console().print(f"Created {made.name} ({made.code}).", markup=False, highlight=False)


@operators.command("add")
def add_operator(government: str, email: str, data_dir: DataDir = None) -> None:
    """Make the person of this e-mail address an operator of a government; signs in by one-time code."""
    _in_transaction(data_dir, lambda tx: registry.add_operator(tx, CALLER, government, email))
    Console().print(f"{email} keeps the registries of {government}.", markup=False, highlight=False)


@app.command("import-chart")
def import_chart(
    government: str,
    file: Annotated[Path | None, typer.Argument(help="A file like the sample; default: the sample.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Bring the heads of account of a budget file into a government's chart, as they are published."""
    rows = sample.chart(sample.read_rows(file or sample.sample_path()))
    report = _in_transaction(data_dir, lambda tx: demo.save_chart(tx, government, rows))
    Console().print(
        f"{report.rows} heads: {report.created} new, {report.changed} changed, {report.unchanged} as before."
    )


@app.command("import-sample")
def import_sample(
    url: Annotated[str, typer.Option(help="The hub, such as http://127.0.0.1:8080.")],
    government: Annotated[str, typer.Option(help="Code of the provider's government.")],
    provider: Annotated[
        str, typer.Option(help="Unique id of the provider, such as treasury@assam.ifix.org.")
    ],
    signing_key_id: Annotated[str, typer.Option(help="What the hub calls the signing key: sgk_...")],
    provider_key: Annotated[str, typer.Option(envvar="HUB_PROVIDER_KEY", help="API key.")],
    signing_seed: Annotated[str, typer.Option(envvar="HUB_SIGNING_SEED", help="Ed25519 seed, base64.")],
    file: Annotated[Path | None, typer.Option(help="A file like the sample; default: the sample.")] = None,
) -> None:
    """Post budget figures as signed events through a hub's API; the government needs their chart (import-chart)."""
    signer = Signer(provider, signing_key_id, SigningKey(base64.b64decode(signing_seed)))
    found, skipped = sample.figures(sample.read_rows(file or sample.sample_path()))
    screen = Screen(Console())
    screen.begin_import(len(found))
    with Hub(url, provider_key) as hub:
        result = sample.import_figures(hub, signer, government, found, progress=screen.advance_import)
    screen.end_import(result)
    screen.step(f"{len(skipped)} actuals of zero are no transactions and were left out")


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """Print the GraphQL schema."""
    from hub.api import build_schema  # noqa: PLC0415 - strawberry takes a second to load

    text = build_schema().as_str() + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)


@app.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"fiscal-hub {installed_version('fiscal-hub')}\n")


if __name__ == "__main__":
    main()
