"""Mail: over SMTP, or in development into a folder with a page to read it."""

from hub.adapters.mail.client import SmtpMailer
from hub.adapters.mail.mailbox import FolderMailer, mailbox_routes

__all__ = ["FolderMailer", "SmtpMailer", "mailbox_routes"]
