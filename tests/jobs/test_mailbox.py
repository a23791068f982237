"""Mail in development: one file per mail, and a page that shows it without believing it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from hub.adapters.mail import FolderMailer, SmtpMailer, mailbox_routes
from hub.domain.jobs import Mail, MailRefused
from hub.errors import OutsideUnavailable

pytestmark = pytest.mark.anyio

ID = "0199f1c0-0000-7000-8000-000000000001@ifix.org"
JSON = {"accept": "application/json"}


def mailer(folder: Path) -> FolderMailer:
    return FolderMailer(folder, "Fiscal Hub <no-reply@ifix.org>")


def pages(folder: Path) -> httpx.AsyncClient:
    app = Starlette(routes=mailbox_routes(folder))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub")


async def test_the_same_mail_twice_is_one_file_and_nobody_elses_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    for _ in range(2):
        await mailer(folder).send(Mail(ID, "officer@example.org", "Code", "12345678\n"))
    assert [file.name for file in folder.iterdir()] == [f"{ID}.eml"]
    assert stat.S_IMODE((folder / f"{ID}.eml").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_the_page_shows_the_newest_first_and_one_mail(tmp_path: Path) -> None:
    other = ID.replace("1@", "2@")
    await mailer(tmp_path).send(Mail(ID, "officer@example.org", "कोड ünd", "12345678\nज़रूरी\n"))
    await mailer(tmp_path).send(Mail(other, "b@example.org", "Second", "2\n"))
    os.utime(tmp_path / f"{ID}.eml", (1, 1))
    async with pages(tmp_path) as http:
        listed = (await http.get("/dev/mailbox", headers=JSON)).json()
        one = (await http.get(f"/dev/mailbox/{ID}", headers=JSON)).json()
        html = await http.get("/dev/mailbox")
    assert [mail["subject"] for mail in listed["mails"]] == ["Second", "कोड ünd"]
    assert (one["to"], one["text"]) == ("officer@example.org", "12345678\nज़रूरी\n")
    assert f'href="/dev/mailbox/{other}"' in html.text
    assert html.headers["content-security-policy"].startswith("default-src 'none'")


async def test_what_a_mail_says_is_escaped(tmp_path: Path) -> None:
    await mailer(tmp_path).send(Mail(ID, "a@example.org", "<script>1</script>", "<img src=x>\n"))
    async with pages(tmp_path) as http:
        both = (await http.get("/dev/mailbox")).text + (await http.get(f"/dev/mailbox/{ID}")).text
    assert "<script>" not in both
    assert "<img" not in both
    assert "&lt;script&gt;" in both


@pytest.mark.parametrize(
    "name", ["..%2Fsecrets%2Fmaster_key", "....@x", "none@ifix.org", "%00", "a@b%2F..%2Fc"]
)
async def test_nothing_outside_the_folder_is_shown(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "mailbox"
    folder.mkdir()
    (tmp_path / "secret@x.eml").write_text("Date: x\n\nsecret")
    (folder / "link@x.eml").symlink_to(tmp_path / "secret@x.eml")
    async with pages(folder) as http:
        assert (await http.get(f"/dev/mailbox/{name}")).status_code == 404
        assert (await http.get("/dev/mailbox/link@x")).status_code == 404
        assert (await http.get("/dev/mailbox", headers=JSON)).json() == {"mails": []}


async def test_an_empty_mailbox_is_a_page_too(tmp_path: Path) -> None:
    async with pages(tmp_path / "not there yet") as http:
        assert "No mail yet" in (await http.get("/dev/mailbox")).text


@pytest.mark.parametrize(
    "mail",
    [
        Mail(ID, "a@example.org\r\nBcc: b@example.org", "Code", "1"),
        Mail(ID, "a@example.org, b@example.org", "Code", "1"),
        Mail(ID, "", "Code", "1"),
        Mail(ID, "<a@example.org>", "Code", "1"),
        Mail(ID, "a@example.org", "Code\r\nBcc: b@example.org", "1"),
    ],
    ids=["line in address", "two addresses", "none", "brackets", "line in subject"],
)
async def test_a_mail_that_would_grow_a_header_or_receiver_is_refused(tmp_path: Path, mail: Mail) -> None:
    folder = tmp_path / "mailbox"
    with pytest.raises(MailRefused):
        await mailer(folder).send(mail)
    assert not folder.exists()


@pytest.mark.parametrize("message_id", ["../x@y", "x", "a@b/c", "a b@c", ".x@y", "a..b@c", "x@y\n"])
async def test_a_message_id_that_could_leave_the_folder_is_a_fault(tmp_path: Path, message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        await mailer(tmp_path / "mailbox").send(Mail(message_id, "a@example.org", "Code", "1"))
    assert not (tmp_path / "mailbox").exists()


async def test_a_mail_server_that_is_not_there_is_unavailable() -> None:
    smtp = SmtpMailer("127.0.0.1", 1, "hub@ifix.org", starttls=False)
    with pytest.raises(OutsideUnavailable):
        await smtp.send(Mail(ID, "a@example.org", "Code", "1"))


def test_neither_mail_nor_mailer_tells_in_its_repr() -> None:
    shown = repr(Mail(ID, "a@example.org", "Code 1", "12345678")) + repr(
        SmtpMailer("h", 25, "s@x", password="hunter2")
    )
    assert "example.org" not in shown
    assert "12345678" not in shown
    assert "hunter2" not in shown
