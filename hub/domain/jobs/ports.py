"""What the hub asks of a mail system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hub.domain.jobs.model import CannotSucceed


@dataclass(frozen=True, slots=True)
class Mail:
    """One plain-text mail. The message id (``local@domain``) is the job's own: sent twice, it is the same mail."""

    message_id: str
    to: str
    subject: str
    text: str

    def __repr__(self) -> str:
        """Names the mail and neither its receiver nor its text: these get into logs."""
        return f"Mail({self.message_id!r})"


class MailRefused(CannotSucceed):
    """The mail system will never take this mail (no such receiver, refused content)."""


class Mailer(Protocol):
    """Hands mail over.

    Returns once the other side has taken responsibility. Raises ``MailRefused`` when it never will and
    ``OutsideUnavailable`` when it did not now.
    """

    async def send(self, mail: Mail) -> None:
        """Hand one mail over; the same message id again is the same mail again."""
        ...
