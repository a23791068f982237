"""The jobs: one file per room, each with its ``HANDLERS`` by explicit name; here they are put together."""

from hub.jobs import registry, webhooks
from hub.jobs.doors import Handler, merge

HANDLERS: dict[str, Handler] = merge(registry.HANDLERS, webhooks.HANDLERS)
