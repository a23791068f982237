"""The registry's jobs: mailing one-time codes and invitations, and forgetting what has run out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from hub.domain import registry
from hub.domain.jobs import Mail
from hub.jobs.doors import Handler, JobContext

CODE_TEXT = """\
Your one-time code for {domain} is

    {code}

It is valid for 10 minutes, once, and only in the browser that asked for it.
If you did not ask for it, ignore this mail and tell nobody the code.
"""

INVITATION_TEXT = """\
{agency} has made you a member on the fiscal data exchange hub {domain}.

Sign in with this e-mail address; a one-time code will be mailed to you each time.
If this surprises you, ignore this mail.
"""


async def send_code(context: JobContext, arguments: Mapping[str, Any]) -> None:
    """Mail a one-time code, unless it is for nobody, used, or too old to help."""
    code_id = uuid.UUID(arguments["code_id"])
    async with context.db.read() as read:
        found = await registry.find_mail(read, context.means, code_id, arguments["sealed"])
    if found is None:
        return
    text = CODE_TEXT.format(domain=context.means.domain, code=found.code)
    await context.mailer.send(Mail(context.message_id, found.to, "Your one-time code", text))


async def send_invitation(context: JobContext, arguments: Mapping[str, Any]) -> None:
    """Tell a new member of an agency."""
    person_id, agency_id = uuid.UUID(arguments["person_id"]), uuid.UUID(arguments["agency_id"])
    async with context.db.read() as read:
        agency = await registry.find_agency(read, context.means, context.caller, agency_id)
        to = await registry.find_email(read, person_id)
    if agency is None or to is None:
        return
    text = INVITATION_TEXT.format(agency=agency.name, domain=context.means.domain)
    await context.mailer.send(Mail(context.message_id, to, "You are a member now", text))


async def lapse(context: JobContext, _: Mapping[str, Any]) -> None:
    """Make drafts again of agencies whose code nobody entered in time."""
    async with context.db.transaction() as tx:
        await registry.lapse(tx)


async def forget(context: JobContext, _: Mapping[str, Any]) -> None:
    """Delete codes and sessions that ended days ago."""
    async with context.db.transaction() as tx:
        await registry.forget(tx)


HANDLERS: dict[str, Handler] = {
    "registry.send_code": send_code,
    "registry.send_invitation": send_invitation,
    "registry.lapse": lapse,
    "registry.forget": forget,
}
