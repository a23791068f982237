"""Starting, recognising and ending server processes: always by pid, and only after a look at what that pid is."""

import asyncio
import logging
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger("hub.embedded")

POLL_SECONDS = 0.02
PS_SECONDS = 5
LOG_BYTES_MAX = 16 * 1024 * 1024
LOG_TAIL_BYTES = 4096
LOG_TAIL_LINES = 6
# With a service account for this program first, then the one PostgreSQL packages create, then the one every Unix has.
ACCOUNTS_FOR_ROOT = ("fiscal-hub", "postgres", "nobody")


class EmbeddedError(Exception):
    """A default server cannot be had: `what` is wrong, and how to `mend` it, each a sentence without the full stop."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}. {mend}.")
        self.what = what
        self.mend = mend


@dataclass(frozen=True)
class Account:
    """The operating system's user under which the servers run."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether it is another user than the one this program runs as (so: we are root, the servers are not)."""
        return self.uid != os.geteuid()


def choose_account(existing_data: Iterable[Path] = ()) -> Account:
    """
    Choose who runs the servers: ourselves, or, as PostgreSQL refuses root, an unprivileged account.

    Data that is there already decides: as root we become its owner. Raises EmbeddedError when there is nobody to be.
    """
    if os.geteuid() != 0:
        return _own_account()
    for folder in existing_data:
        if folder.exists() and (owner := folder.stat().st_uid) != 0:
            return _account_of(owner, f"the owner of {folder}")
    for name in ACCOUNTS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and none of the accounts {', '.join(ACCOUNTS_FOR_ROOT)} exists",
        "Create one (useradd --system fiscal-hub), run the hub as an ordinary user, or set HUB_DATABASE_URL",
    )


def _own_account() -> Account:
    return _account_of(os.geteuid(), "the user this program runs as")


def _account_of(uid: int, role: str) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedError(
            f"User id {uid}, {role}, has no name on this machine, and PostgreSQL needs one",
            "Add the user to /etc/passwd, run as a named user, or set HUB_DATABASE_URL",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_run(account: Account, command: Sequence[str | Path], *, timeout_seconds: float = 10) -> str | None:
    """Run a short command as the account; its output, or None when it cannot be run or fails."""
    try:
        result = subprocess.run(  # noqa: S603 - commands come from our own search, never from outside
            [str(part) for part in command],
            capture_output=True,
            check=True,
            text=True,
            cwd="/",
            timeout=timeout_seconds,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            user=account.uid if account.is_other else None,
            group=account.gid if account.is_other else None,
            extra_groups=[account.gid] if account.is_other else None,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout


def server_environment() -> dict[str, str]:
    """The environment of a server: nothing of ours, so no secret of the hub and no PG* variable gets into it."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "LANG": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Spawned:
    """A process we started, with its log and where in the log its own lines begin."""

    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    def said(self) -> str:
        """The last lines it wrote, on one line, for an error message."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self.log_start, size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:] if line.strip()) or "(nothing)"


def spawn(
    account: Account, command: Sequence[str | Path], log: Path, *, death_signal: signal.Signals
) -> Spawned:
    """
    Start a server in a session of its own, so that Ctrl-C in our terminal does not reach it before we do.

    On Linux it gets `death_signal` when the *thread* that calls this ends; call it from a thread that lives as long
    as the server should (an event loop's thread does).
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        own_like_folder(log)
        start = os.fstat(descriptor).st_size
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
        ties = [str(os.getpid()), str(int(death_signal)), account.name if account.is_other else "-"]
        process = subprocess.Popen(  # noqa: S603
            [*launcher, *ties, *(str(part) for part in command)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=server_environment(),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    return Spawned(process, log, start)


def own_like_folder(path: Path) -> None:
    """Give a file that root made to the owner of its folder, so that this owner can use it without root later."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def trim_log(log: Path) -> None:
    """
    Keep a server's log bounded: above the limit its end is copied to `<name>.1` and it is emptied in place.

    The server appends, so it goes on at the new end; a line written in between may be lost.
    """
    try:
        if log.stat().st_size <= LOG_BYTES_MAX:
            return
        older = log.with_name(log.name + ".1")
        older.write_bytes(log.read_bytes()[-LOG_BYTES_MAX:])
        older.chmod(0o600)
        os.truncate(log, 0)
    except FileNotFoundError:
        return


async def wait_exit(process: subprocess.Popen[bytes], timeout_seconds: float) -> int | None:
    """Wait for our own child; its exit code, or None when it still runs after the time."""
    deadline = time.monotonic() + timeout_seconds
    while (code := process.poll()) is None and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
    return code


async def end_child(
    process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]
) -> int | None:
    """End our own child, each signal with the seconds it gets; returns its exit code, None if it outlived them all."""
    for number, seconds in steps:
        if process.poll() is None:
            process.send_signal(
                number
            )  # does nothing if it has been reaped, so the pid cannot be someone else's
            await wait_exit(process, seconds)
    return process.poll()


def serves(pid: int, folder: Path, names: tuple[str, ...]) -> bool:
    """
    Whether this pid is one of the named programs working in this folder; a pid alone proves nothing after a crash.

    Both servers make their data folder their working directory. False for a zombie, and for what we may not see.
    """
    if not Path("/proc/self/cwd").exists():
        return _serves_by_ps(pid, folder, names)
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
        return program.startswith(names) and Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _serves_by_ps(pid: int, folder: Path, names: tuple[str, ...]) -> bool:
    """The same where there is no /proc (macOS): the program, and our folder in its command line."""
    command = can_run(
        _own_account(), ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], timeout_seconds=PS_SECONDS
    )
    program = (command or "").split(" ", 1)[0]
    return Path(program).name.startswith(names) and str(folder) in (command or "")


def find_serving(folder: Path, names: tuple[str, ...], recorded_pid: int | None) -> list[int]:
    """Every process that works in this folder, the recorded one (if it is real) first."""
    found = [recorded_pid] if recorded_pid and serves(recorded_pid, folder, names) else []
    if Path("/proc/self/cwd").exists():
        others = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        found += [pid for pid in others if pid not in found and serves(pid, folder, names)]
    return found


async def end_stranger(
    pid: int, folder: Path, names: tuple[str, ...], steps: Sequence[tuple[signal.Signals, float]]
) -> None:
    """End a process that is not our child, looking before every signal whether the pid still is what it was."""
    for number, seconds in steps:
        if not serves(pid, folder, names):  # a backend is gone by the time its postmaster is
            return
        logger.warning("sending %s to process %s, left in %s by an earlier run", number.name, pid, folder)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while serves(pid, folder, names) and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
    if serves(pid, folder, names):
        raise EmbeddedError(
            f"Process {pid} still works in {folder} and does not end",
            f"End it by hand (kill -9 {pid}) and start again",
        )


def read_pid(path: Path) -> int | None:
    """The pid in the first line of a file; None when there is no file or no number."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    """Whether the pid is in use by anything at all, a zombie included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
