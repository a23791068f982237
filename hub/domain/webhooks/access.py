"""Who sees an endpoint and who keeps it: its own system and that system's agency; default deny."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, true

from hub.codes import Code
from hub.domain.registry import Anonymous, Caller, HubCaller, PersonCaller, PersonRole, SystemCaller
from hub.domain.webhooks.tables import webhook
from hub.errors import NotAllowed, NotFound

KEEPERS = frozenset({PersonRole.OWNER, PersonRole.DEVELOPER})


def visible(caller: Caller) -> ColumnElement[bool]:
    """The predicate over the endpoints: a system its own, a person those of the agency, whatever the role there."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            return and_(webhook.c.tenant_id == caller.tenant_id, webhook.c.system_id == caller.system_id)
        case PersonCaller():
            if caller.agency_id is None or caller.tenant_id is None or not caller.roles:
                return false()
            return and_(webhook.c.tenant_id == caller.tenant_id, webhook.c.agency_id == caller.agency_id)
        case Anonymous():
            return false()


def require_keeper(caller: Caller) -> None:
    """A system, or an owner or developer of an agency; raises NotAllowed for other people."""
    if isinstance(caller, PersonCaller) and not caller.roles & KEEPERS:
        raise NotAllowed.because(Code.ROLE_NOT_ALLOWED, Code.ROLE_NOT_ALLOWED.summary)


def absent(*path: str) -> NotFound:
    """The one answer for what is not there and what is not shown."""
    return NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, *path)
