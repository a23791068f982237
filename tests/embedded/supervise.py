"""A supervisor in a process of its own, for tests to kill: `python supervise.py <data folder>`."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from hub.embedded import EmbeddedServers, Endpoints, serve


def main() -> None:
    """Run until told to stop; one line of JSON on standard output once the servers answer."""
    servers = EmbeddedServers(Path(sys.argv[1]))

    def ready(endpoints: Endpoints) -> None:
        sys.stdout.write(json.dumps({"endpoints": asdict(endpoints), "pids": servers.pids}) + "\n")
        sys.stdout.flush()

    asyncio.run(serve(servers, ready))


if __name__ == "__main__":
    main()
