"""Mail in development: a folder instead of a mail server, and a page that shows it."""

from __future__ import annotations

import asyncio
import email
import email.policy
import html
import os
import secrets
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from hub.adapters.mail.client import check_message_id, compose
from hub.domain.jobs import Mail

SHOWN_MAX = 100
MAIL_BYTES_MAX = 256 * 1024

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class FolderMailer:
    """Writes each mail to ``<message id>.eml``: whole or not at all, and the same mail twice is one file."""

    folder: Path
    sender: str

    async def send(self, mail: Mail) -> None:
        """Write the mail to disk; see ``Mailer``."""
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: Mail) -> None:
        content = compose(mail, self.sender).as_bytes()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.folder / f"{check_message_id(mail.message_id)}.eml"
        draft = self.folder / f".{target.name}.{secrets.token_hex(4)}"
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ShownMail:
    """One mail of the folder, as text."""

    id: str
    at: str
    to: str
    subject: str
    text: str


def read_mailbox(folder: Path) -> list[ShownMail]:
    """The newest mails of the folder, newest first."""
    found = [(path.stat().st_mtime_ns, path) for path in folder.glob("*.eml") if not path.is_symlink()]
    return [_read(path) for _, path in sorted(found, reverse=True)[:SHOWN_MAX]]


def find_mail(folder: Path, message_id: str) -> ShownMail | None:
    """One mail by its id; None when there is none."""
    try:
        path = folder / f"{check_message_id(message_id)}.eml"
    except ValueError:
        return None
    return _read(path) if path.is_file() and not path.is_symlink() else None


def _read(path: Path) -> ShownMail:
    with path.open("rb") as file:
        parsed = email.message_from_bytes(file.read(MAIL_BYTES_MAX), policy=email.policy.default)
    if not isinstance(parsed, EmailMessage):
        raise TypeError("the default policy makes EmailMessage")
    body = parsed.get_body(("plain",))
    return ShownMail(
        id=path.name.removesuffix(".eml"),
        at=parsedate_to_datetime(str(parsed["Date"])).isoformat(),
        to=str(parsed["To"]),
        subject=str(parsed["Subject"]),
        text=body.get_content().replace("\r\n", "\n") if body is not None else "",
    )


def mailbox_routes(folder: Path) -> list[Route]:
    """``/dev/mailbox`` and ``/dev/mailbox/<id>``, as a page or (``Accept: application/json``) as JSON.

    To be mounted in development alone: the mails hold one-time codes.
    """

    async def show_all(request: Request) -> Response:
        mails = await asyncio.to_thread(read_mailbox, folder)
        if _wants_json(request):
            return JSONResponse({"mails": [asdict(mail) for mail in mails]}, headers=HEADERS)
        return HTMLResponse(_page("Mailbox", _table(mails)), headers=HEADERS)

    async def show_one(request: Request) -> Response:
        mail = await asyncio.to_thread(find_mail, folder, request.path_params["id"])
        if mail is None:
            return Response("No such mail.", status_code=404, media_type="text/plain", headers=HEADERS)
        if _wants_json(request):
            return JSONResponse(asdict(mail), headers=HEADERS)
        facts = f"<p>To {html.escape(mail.to)}, {html.escape(mail.at)}</p>"
        return HTMLResponse(
            _page(mail.subject, f"{facts}<pre>{html.escape(mail.text)}</pre>"), headers=HEADERS
        )

    return [
        Route("/dev/mailbox", show_all, methods=["GET"]),
        Route("/dev/mailbox/{id}", show_one, methods=["GET"]),
    ]


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _table(mails: list[ShownMail]) -> str:
    if not mails:
        return "<p>No mail yet.</p>"
    rows = "".join(
        f"<tr><td>{html.escape(mail.at)}</td><td>{html.escape(mail.to)}</td>"
        f'<td><a href="/dev/mailbox/{html.escape(mail.id)}">{html.escape(mail.subject)}</a></td></tr>'
        for mail in mails
    )
    return f"<table><tr><th>At</th><th>To</th><th>Subject</th></tr>{rows}</table>"


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;padding:.25rem 1rem .25rem 0}pre{white-space:pre-wrap}</style>"
        f"<h1>{html.escape(title)}</h1>{body}</html>"
    )
