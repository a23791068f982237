"""
Becomes a server: takes on an account, ties the server's life to its supervisor, then executes the binary.

Run as a script of its own (`python -I -S launch.py <supervisor pid> <signal> <account or "-"> <command...>`), because
neither step can be done safely between fork and exec of a process that has threads.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Replace this process by the command; exits with a sentence on standard error when that cannot be done."""
    supervisor_pid, death_signal, account, *command = arguments
    if account != "-":
        entry = pwd.getpwnam(account)
        os.initgroups(account, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        # After the change of account, which would clear it. The kernel sends the signal when the supervisor dies.
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != int(supervisor_pid):
            sys.exit("the supervisor died before its server began")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and an ignored signal survives exec
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
