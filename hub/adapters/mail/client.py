"""Talks SMTP: one connection per mail, bounded in time, encrypted where asked for."""

from __future__ import annotations

import email.policy
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

import aiosmtplib

from hub.domain.jobs import Mail, MailRefused
from hub.errors import OutsideUnavailable

SMTP_SECONDS_MAX = 20
PERMANENT_CODES = range(550, 555)
TLS_PORT = 465

_MESSAGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,100}@[A-Za-z0-9][A-Za-z0-9.-]{0,100}")


def check_message_id(message_id: str) -> str:
    """The id itself; ValueError for one that could leave a header line or a folder."""
    if _MESSAGE_ID.fullmatch(message_id) is None or ".." in message_id:
        raise ValueError("a message id is local@domain in letters, digits, dots and hyphens")
    return message_id


def compose(mail: Mail, sender: str) -> EmailMessage:
    """The message as it goes out. Raises MailRefused for an address or subject no mail can carry."""
    message = EmailMessage(policy=email.policy.SMTP)
    try:
        message["From"] = sender
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = mail.subject
    except (ValueError, IndexError, MessageError) as error:
        raise MailRefused(type(error).__name__) from None
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{check_message_id(mail.message_id)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """Hands mail to one SMTP server; the server's answer after the text decides."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    starttls: bool = True

    async def send(self, mail: Mail) -> None:
        """Hand over once; see ``Mailer``. Port 465 speaks TLS from the start, others by STARTTLS."""
        message = compose(mail, self.sender)
        tls = self.port == TLS_PORT
        try:
            await aiosmtplib.send(
                message,
                sender=parseaddr(self.sender)[1],
                recipients=[mail.to],
                hostname=self.host,
                port=self.port,
                username=self.username,
                password=self.password,
                use_tls=tls,
                start_tls=self.starttls and not tls,
                timeout=SMTP_SECONDS_MAX,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(refused.code in PERMANENT_CODES for refused in error.recipients):
                raise MailRefused("receiver") from None
            raise OutsideUnavailable("SMTP") from None
        except aiosmtplib.SMTPDataError as error:
            if error.code in PERMANENT_CODES:
                raise MailRefused("content") from None
            raise OutsideUnavailable("SMTP") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            # None of these says more than its class; their texts may name the receiver.
            raise OutsideUnavailable("SMTP") from None
