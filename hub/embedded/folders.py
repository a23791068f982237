"""Where the servers keep things: their home below the data folder, sockets, the lock, and the passwords."""

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import socket
import stat
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.embedded.processes import Account, EmbeddedError, can_run, choose_account, own_like_folder, read_pid

logger = logging.getLogger("hub.embedded")

HOME_NAME = "servers"
# Where root puts what its unprivileged account cannot reach below the data folder.
STATE_ROOT = Path("/var/lib/fiscal-hub")
RUN_ROOTS = (Path("/run/fiscal-hub"), Path("/var/run/fiscal-hub"))
# sun_path holds 108 bytes on Linux and 104 elsewhere, its closing zero included; the longest name is PostgreSQL's.
SOCKET_PATH_BYTES_MAX = 103
SOCKET_NAME_LONGEST = ".s.PGSQL.5432"
# arq takes a socket's path from its address as it stands, so the path must need no escaping.
SOCKET_PATH_PLAIN = re.compile(r"[A-Za-z0-9/._~-]+")
PASSWORD_BYTES = 24

LOCK_SECONDS_MAX = 1.0
LOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Passwords:
    """The random passwords of one home."""

    hub_owner: str
    hub_app: str
    redis: str


@dataclass(frozen=True)
class Home:
    """
    The folder of one pair of servers, and the account they run under.

    `path` is `<data folder>/servers`, or where that link leads. Ours: lock, passwords, logs. The account's: the rest.
    """

    path: Path
    account: Account

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder."""
        return self.path / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's working folder."""
        return self.path / "redis"

    def log(self, server: str) -> Path:
        """The log file of a server."""
        return self.path / "logs" / f"{server}.log"


def find_home(data_dir: Path) -> Home | None:
    """The home that is there already, changing nothing; None before the first start."""
    link = data_dir / HOME_NAME
    if not os.path.lexists(link):
        return None
    if not link.exists():
        raise EmbeddedError(
            f"The data of this hub was kept in {link.readlink()}, which is gone ({link} points to it)",
            f"Put that folder back from a backup, or remove {link} to begin with empty servers",
        )
    path = link.resolve()
    return Home(path, choose_account((path / "postgres", path / "redis", path)))


def make_home(data_dir: Path) -> Home:
    """
    The home of the servers of this data folder, made if need be, with the right owners.

    Root's servers run under another account. When that account cannot get to the data folder (it lies below /root,
    say), the home is made in /var/lib/fiscal-hub and `<data folder>/servers` becomes a link to it.
    """
    try:
        home = find_home(data_dir) or _make_new_home(data_dir)
        _check_owner(home)
        if not can_reach(home.account, home.path):
            raise EmbeddedError(
                f"Account {home.account.name}, under which the servers run, cannot get to {home.path}",
                f"Let it pass (chmod o+x on the folders above), or move {home.path} to a place it can reach and "
                f"leave a symbolic link to it at {data_dir / HOME_NAME}",
            )
        make_folder(home.path / "logs", None)
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data_dir} cannot be used: {error.strerror} ({error.filename})",
            "Choose a folder this user can write to (HUB_DATA_DIR), or give it the right to",
        ) from error
    return home


def _make_new_home(data_dir: Path) -> Home:
    account = choose_account()
    # The account must be able to pass through a folder of ours, but not to list it.
    mode = 0o711 if account.is_other else 0o700
    make_open_folder(data_dir, mode)
    link = data_dir / HOME_NAME
    if can_reach(account, data_dir):
        make_open_folder(link, mode)
    else:
        elsewhere = STATE_ROOT / f"{data_dir.resolve().name}-{secrets.token_hex(4)}"
        make_open_folder(STATE_ROOT, 0o711)
        make_open_folder(elsewhere, mode)
        (elsewhere / "belongs-to").write_text(f"{data_dir.resolve()}\n")
        try:
            link.symlink_to(elsewhere)
        except FileExistsError:  # another start was faster; its choice stands
            (elsewhere / "belongs-to").unlink()
            elsewhere.rmdir()
        else:
            logger.warning(
                "account %s cannot reach %s; data is kept in %s", account.name, data_dir, elsewhere
            )
    home = find_home(data_dir)
    assert home is not None
    return home


def _check_owner(home: Home) -> None:
    """An ordinary user cannot run on data of somebody else."""
    for folder in (home.path, home.postgres, home.redis):
        if os.geteuid() != 0 and folder.exists() and (owner := folder.stat().st_uid) != os.geteuid():
            raise EmbeddedError(
                f"{folder} belongs to user id {owner}, and this program runs as {home.account.name}",
                f"Run as that user, or hand the data over (chown -R {home.account.name} {home.path}), "
                "or choose another folder (HUB_DATA_DIR)",
            )


def can_reach(account: Account, folder: Path) -> bool:
    """Whether the account can enter the folder; tried rather than computed, as access lists exist."""
    if not account.is_other:
        return os.access(folder, os.X_OK)
    return can_run(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]) is not None


def make_open_folder(path: Path, mode: int) -> None:
    """Make a folder with exactly this mode, whatever our umask; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(mode)


def make_folder(path: Path, account: Account | None) -> None:
    """
    Make a folder nobody else can enter, owned by the account (None: by us), or check that it is one.

    Raises FileExistsError when something else stands there: in /tmp it may be another user's trap.
    """
    try:
        path.mkdir(mode=0o700)
        if account is not None and account.is_other:
            os.chown(path, account.uid, account.gid)
        elif account is None:
            own_like_folder(path)
    except FileExistsError:
        there = path.lstat()
        allowed = {os.geteuid(), account.uid if account else path.parent.stat().st_uid}
        if not stat.S_ISDIR(there.st_mode) or there.st_uid not in allowed:
            raise
        if (
            account is not None and account.is_other and there.st_uid != account.uid
        ):  # made, but not yet handed over
            os.chown(path, account.uid, account.gid)
        path.chmod(0o700)


def socket_folder(home: Home) -> Path:
    """
    A private folder for both sockets: in the home if its path is short and plain, else in a runtime folder.

    The same home always gets the same folder, so addresses survive restarts. A socket is tried, since some mounted
    file systems have none. Raises EmbeddedError when no place works.
    """
    candidates = socket_candidates(home)
    for folder in candidates:
        if _fits(folder) and _holds_sockets(folder, home.account):
            return folder
    raise EmbeddedError(
        f"No folder was found for sockets (tried {', '.join(str(folder) for folder in candidates)})",
        "Point TMPDIR to a writable folder with a short path of plain letters",
    )


def socket_candidates(home: Home) -> list[Path]:
    """Where the sockets may be, the preferred place first."""
    mark = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:12]
    if os.geteuid() == 0:  # not in /tmp, where the account could swap the folder under root's hands
        others = [root / mark for root in RUN_ROOTS]
    else:
        runtime = [Path(os.environ["XDG_RUNTIME_DIR"])] if os.environ.get("XDG_RUNTIME_DIR") else []
        temporary = (*runtime, Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - checked by make_folder
        others = [folder / f"fhub-{os.geteuid()}-{mark}" for folder in dict.fromkeys(temporary)]
    return [home.path / "run", *others]


def _fits(folder: Path) -> bool:
    longest = os.fsencode(folder / SOCKET_NAME_LONGEST)
    return len(longest) <= SOCKET_PATH_BYTES_MAX and SOCKET_PATH_PLAIN.fullmatch(str(folder)) is not None


def _holds_sockets(folder: Path, account: Account) -> bool:
    trial = folder / f".try{os.getpid()}"
    try:
        if folder.parent in RUN_ROOTS:
            make_open_folder(folder.parent, 0o711)
        make_folder(folder, account)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(trial))
        trial.unlink()
    except OSError:
        return False
    return can_reach(account, folder)


def _take(descriptor: int) -> bool:
    """Whether the lock could be had within its second."""
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return True


class HomeLock:
    """One supervisor per home: a lock the kernel drops when its holder dies, however it dies."""

    def __init__(self, home: Path) -> None:
        self.path = home / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raises EmbeddedError naming the pid of the program that has it.

        A holder that was just killed may take a moment to die, so a taken lock is tried for a second.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if not _take(descriptor):
            os.close(descriptor)
            pid = read_pid(self.path)
            raise EmbeddedError(
                f"Already running as pid {pid or '(not written yet)'} on {self.path.parent}",
                f"Use the one that runs, end it (kill {pid or '<pid>'}), or give this one another folder (HUB_DATA_DIR)",
            )
        own_like_folder(self.path)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """The pid of the supervisor that holds the lock now, without waiting; None when nobody does."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return read_pid(self.path) or 0
        else:
            return None
        finally:
            os.close(descriptor)


def load_passwords(home: Path) -> Passwords:
    """
    The passwords of this home, made and written (0600) at the first start.

    Losing the file loses nothing: PostgreSQL's administrator is recognised by the operating system, not by password,
    and gives the roles their new ones at the next start.
    """
    path = home / "passwords.json"
    try:
        return Passwords(**json.loads(path.read_text()))
    except FileNotFoundError:
        return _write_passwords(path)
    except (ValueError, TypeError) as error:
        raise EmbeddedError(
            f"The passwords in {path} cannot be read ({type(error).__name__})",
            f"Remove {path}: new passwords are made at the next start, and no data is lost",
        ) from None


def _write_passwords(path: Path) -> Passwords:
    passwords = Passwords(*(secrets.token_urlsafe(PASSWORD_BYTES) for _ in range(3)))
    write_whole(path, json.dumps(asdict(passwords), indent=1) + "\n")
    return passwords


def write_whole(path: Path, content: str, account: Account | None = None) -> None:
    """Replace a file in one step, readable only by its owner: after a crash it is the old one or the new one."""
    new = path.with_name(f"{path.name}.new{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if account is not None and account.is_other:
        os.chown(new, account.uid, account.gid, follow_symlinks=False)
    else:
        own_like_folder(new)
    new.replace(path)
