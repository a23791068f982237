"""Asking the machine's name service, in threads of its own and bounded in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

# The addresses of a name, as text; OSError when there are none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

THREADS = 16


class SystemResolver:
    """The system's ``getaddrinfo``. A name that hangs keeps one of these threads, none of the process's own."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Every address of the name, in the order to try them. Raises OSError."""
        try:
            entries = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        except UnicodeError:
            raise OSError("not a name") from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in entries))

    def close(self) -> None:
        """Forget what is still asked."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[tuple[object, object, object, str, tuple[object, ...]]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
