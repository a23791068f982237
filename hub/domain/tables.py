"""Every room's tables gathered for migrations: importing this module fills the metadata."""

from hub.db import metadata
from hub.domain.fiscal_events import tables as fiscal_events
from hub.domain.jobs import tables as jobs
from hub.domain.programs import tables as programs
from hub.domain.reference import tables as reference
from hub.domain.registry import tables as registry
from hub.domain.retention import tables as retention
from hub.domain.transparency import tables as transparency
from hub.domain.webhooks import tables as webhooks

__all__ = [
    "fiscal_events",
    "jobs",
    "metadata",
    "programs",
    "reference",
    "registry",
    "retention",
    "transparency",
    "webhooks",
]
