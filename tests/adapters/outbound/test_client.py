"""Requests over real sockets: pinned to what was judged, cut in time and size, and clear about what is not known."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import tracemalloc
import zlib
from ipaddress import ip_address
from pathlib import Path

import httpcore
import pytest

import hub
from hub.adapters.outbound import (
    NoAnswer,
    NotSent,
    Outbound,
    Policy,
    Reason,
    SystemResolver,
    Trouble,
    UrlRefused,
    check_url,
)
from hub.adapters.outbound.transport import PinnedBackend
from hub.errors import OutsideUnavailable, OutsideUnreadable
from tests.adapters.outbound.peers import Names, certified, listening, plainly

pytestmark = pytest.mark.anyio

OPEN = Policy(plain_http=True, ports=None, allow_private=True)
HOST = "hook.example.com"


def answering(body: bytes, *headers: str) -> bytes:
    """An answer with a body and its length."""
    lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_post_arrives_as_it_was_given() -> None:
    async with listening(plainly(answering(b"taken", "X-Seen: yes"))) as peer:
        reply = await Outbound(OPEN).post(
            f"http://127.0.0.1:{peer.port}/hook?a=1", content=b'{"a":1}', headers={"Webhook-Id": "evt_1"}
        )
    assert (reply.status, reply.body, reply.cut, reply.headers["x-seen"]) == (200, b"taken", False, "yes")
    assert 0 < reply.seconds < 5
    ((head, body),) = peer.requests
    assert body == b'{"a":1}'
    lines = head.lower().split("\r\n")
    assert lines[0] == "post /hook?a=1 http/1.1"
    assert sorted(line for line in lines[1:] if line) == [
        "accept-encoding: identity",
        "accept: */*",
        "connection: close",
        "content-length: 7",
        f"host: 127.0.0.1:{peer.port}",
        "user-agent: fiscal-hub/1",
        "webhook-id: evt_1",
    ]


async def test_every_status_is_a_reply_and_no_redirect_is_followed() -> None:
    async with listening() as inside:
        for status in (301, 302, 303, 307, 308):
            moved = f"HTTP/1.1 {status} Moved\r\nlocation: http://127.0.0.1:{inside.port}/\r\ncontent-length: 0\r\n\r\n"
            async with listening(plainly(moved.encode())) as peer:
                reply = await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x")
            assert (reply.status, reply.headers["location"]) == (status, f"http://127.0.0.1:{inside.port}/")
        assert inside.connections == 0


async def test_a_name_that_leads_elsewhere_after_its_check_is_not_followed_there() -> None:
    """One lookup for a request, and the connection goes to its answer: the other server stands ready and sees nothing."""
    async with (
        listening(host="127.0.0.1") as judged,
        listening(host="127.0.0.2", port=judged.port) as other,
    ):
        names = Names([["127.0.0.1"], ["127.0.0.2"]])
        reply = await Outbound(OPEN, resolver=names).post(f"http://{HOST}:{judged.port}/", content=b"x")
        assert (reply.status, len(names.asked)) == (200, 1)
        assert (judged.connections, other.connections) == (1, 0)
        assert f"\r\nhost: {HOST}:{judged.port}\r\n" in judged.heads[0].lower()


async def test_a_name_that_led_outside_at_registration_and_inside_now_is_refused() -> None:
    async with listening() as inside:
        names = Names([["93.184.215.14"], ["127.0.0.1"]])
        outbound = Outbound(Policy(plain_http=True, ports=None), resolver=names)
        url = f"http://{HOST}:{inside.port}/"
        assert (await outbound.check(url)).host == HOST
        with pytest.raises(UrlRefused) as refused:
            await outbound.post(url, content=b"x")
        assert refused.value.reason is Reason.ADDRESS
        assert inside.connections == 0
        assert names.asked == [f"{HOST}.", f"{HOST}."]


async def test_one_inside_address_among_the_answers_refuses_all() -> None:
    async with listening() as inside:
        names = Names([["93.184.215.14", "127.0.0.1"]])
        with pytest.raises(UrlRefused):
            await Outbound(Policy(plain_http=True, ports=None), resolver=names).post(
                f"http://{HOST}:{inside.port}/", content=b"x"
            )
        assert inside.connections == 0


async def test_tls_and_certificate_are_the_names_although_the_address_is_pinned(tmp_path: Path) -> None:
    server, client = certified(tmp_path, HOST)
    async with listening(tls=server) as peer:
        outbound = Outbound(OPEN, resolver=Names([["127.0.0.1"]]), tls=client)
        reply = await outbound.post(f"https://{HOST}:{peer.port}/", content=b"x")
        assert (reply.status, peer.names) == (200, [HOST])
        for url in (f"https://other.example.com:{peer.port}/", f"https://127.0.0.1:{peer.port}/"):
            with pytest.raises(NotSent) as failed:
                await outbound.post(url, content=b"secret")
            assert failed.value.trouble is Trouble.TLS
        with pytest.raises(NotSent) as failed:
            await Outbound(OPEN, resolver=Names([["127.0.0.1"]])).post(
                f"https://{HOST}:{peer.port}/", content=b"secret"
            )
        assert failed.value.trouble is Trouble.TLS
    assert len(peer.requests) == 1


async def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    async with listening() as peer:
        names = Names([["127.0.0.9", "127.0.0.1"]])
        assert (
            await Outbound(OPEN, resolver=names).post(f"http://{HOST}:{peer.port}/", content=b"x")
        ).status == 200


async def test_no_two_requests_share_a_connection_or_a_cookie() -> None:
    async with listening(plainly(answering(b"ok", "set-cookie: who=me"))) as peer:
        outbound = Outbound(OPEN)
        for _ in range(2):
            await outbound.post(f"http://127.0.0.1:{peer.port}/", content=b"x")
    assert peer.connections == 2
    assert not any("cookie" in head.lower() for head in peer.heads)


async def test_the_environments_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as peer:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x")
        assert (proxy.connections, peer.connections) == (0, 1)


async def test_an_endless_answer_is_cut_at_its_limit() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with listening(endless) as peer:
        reply = await Outbound(OPEN).post(
            f"http://127.0.0.1:{peer.port}/", content=b"x", answer_bytes_max=100_000
        )
    assert (reply.status, reply.body, reply.cut) == (200, b"x" * 100_000, True)
    with pytest.raises(OutsideUnreadable):
        reply.whole()


async def test_an_answer_of_just_the_limit_is_whole() -> None:
    async with listening(plainly(answering(b"x" * 1_000))) as peer:
        outbound, url = Outbound(OPEN), f"http://127.0.0.1:{peer.port}/"
        reply = await outbound.post(url, content=b"", answer_bytes_max=1_000)
        assert (reply.whole(), reply.cut) == (b"x" * 1_000, False)
        assert (await outbound.post(url, content=b"", answer_bytes_max=999)).cut


@pytest.mark.parametrize("where", ["head", "body", "silence", "continues"])
async def test_an_answer_that_drips_ends_with_the_time(where: str) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write({"body": b"HTTP/1.1 200 OK\r\n\r\n", "head": b"HTTP/1.1 200 OK\r\nx: "}.get(where, b""))
        while True:
            writer.write({"silence": b"", "continues": b"HTTP/1.1 103 Hints\r\n\r\n"}.get(where, b"x"))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(drip) as peer:
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoAnswer) as failed:
            await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x", timeout_seconds=0.3)
        assert failed.value.trouble is Trouble.TIMEOUT
        assert isinstance(failed.value, OutsideUnavailable)
        assert asyncio.get_running_loop().time() - began < 2


async def test_a_small_packed_answer_that_unpacks_to_much_is_cut_without_the_memory() -> None:
    bomb = gzip.compress(b"\0" * 64 * 1024 * 1024, compresslevel=9)
    async with listening(plainly(answering(bomb, "content-encoding: gzip"))) as peer:
        tracemalloc.start()
        try:
            reply = await Outbound(OPEN).post(
                f"http://127.0.0.1:{peer.port}/", content=b"x", answer_bytes_max=100_000
            )
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (len(reply.body), reply.cut) == (100_000, True)
    assert len(bomb) < 100_000
    assert peak < 8 * 1024 * 1024


async def test_packed_answers_are_unpacked_or_called_unreadable() -> None:
    for packed, encoding in ((gzip.compress(b"hello"), "gzip"), (zlib.compress(b"hello"), "deflate")):
        async with listening(plainly(answering(packed, f"content-encoding: {encoding}"))) as peer:
            reply = await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x")
            assert reply.whole() == b"hello"
    for body, encoding in ((b"hello", "gzip"), (gzip.compress(b"hello")[:-9], "gzip"), (b"hello", "br")):
        async with listening(plainly(answering(body, f"content-encoding: {encoding}"))) as peer:
            reply = await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x")
            assert (reply.status, reply.cut) == (200, True)
            with pytest.raises(OutsideUnreadable):
                reply.whole()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01",
    ],
)
async def test_after_a_broken_answer_the_outcome_is_not_known(answer: bytes) -> None:
    async with listening(plainly(answer)) as peer:
        with pytest.raises(NoAnswer) as failed:
            await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x", timeout_seconds=5)
    assert failed.value.trouble is Trouble.BROKEN
    assert len(peer.requests) == 1


async def test_what_never_left_is_told_from_what_may_have_arrived(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSent) as failed:
        await Outbound(OPEN).post(f"http://127.0.0.1:{port}/", content=b"x")
    assert failed.value.trouble is Trouble.CONNECT
    for answers in ([], ["nothing"]):
        with pytest.raises((NotSent, UrlRefused)):
            await Outbound(OPEN, resolver=Names([answers])).post(f"http://{HOST}/", content=b"x")
    async with listening() as peer:  # it speaks no TLS
        with pytest.raises(NotSent) as failed:
            await Outbound(OPEN, tls=certified(tmp_path, HOST)[1]).post(
                f"https://127.0.0.1:{peer.port}/", content=b"x", timeout_seconds=1
            )
        assert failed.value.trouble in {Trouble.TLS, Trouble.TIMEOUT}
        assert peer.requests == []


async def test_a_name_service_that_hangs_ends_with_the_time() -> None:
    async def hang(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(NotSent):
        await Outbound(OPEN, resolver=hang).post(f"http://{HOST}/", content=b"x", timeout_seconds=0.2)


async def test_the_systems_own_names_are_resolved_and_judged() -> None:
    resolver = SystemResolver()
    try:
        assert set(await resolver("localhost", 80)) <= {"127.0.0.1", "::1"}
        with pytest.raises(socket.gaierror):
            await resolver("no-such-name.invalid", 80)
        with pytest.raises(UrlRefused):
            await Outbound(Policy(), resolver=resolver).post("https://localhost/", content=b"x")
    finally:
        resolver.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "inner"},
        {"content-length": "3"},
        {"Transfer-Encoding": "chunked"},
        {"cookie": "a=b"},
        {"x": "a\r\nhost: inner"},
        {"x\r\ny": "a"},
        {"x": "é"},
        {"": "a"},
    ],
)
async def test_headers_that_frame_a_request_are_not_the_callers(headers: dict[str, str]) -> None:
    async with listening() as peer:
        with pytest.raises(ValueError, match="not the caller's"):
            await Outbound(OPEN).post(f"http://127.0.0.1:{peer.port}/", content=b"x", headers=headers)
        assert peer.connections == 0


async def test_no_more_requests_at_once_than_allowed() -> None:
    running, most = 0, 0

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        writer.write(answering(b""))

    async with listening(slow) as peer:
        outbound = Outbound(OPEN, requests_max=3)
        await asyncio.gather(
            *(outbound.post(f"http://127.0.0.1:{peer.port}/", content=b"x") for _ in range(9))
        )
    assert most == 3


def test_the_default_context_checks_names_and_certificates() -> None:
    tls = Outbound(Policy())._tls
    assert (tls.check_hostname, tls.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_nobody_else_makes_clients_to_other_systems() -> None:
    """The hub's own client, its command line and the sample speak to the hub; all else goes through here."""
    root = Path(hub.__file__).parent
    makers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(
            r"^\s*(?:import|from) (?:httpx|httpcore|aiohttp|requests|urllib\.request)\b",
            path.read_text(),
            re.MULTILINE,
        )
    }
    allowed = ("adapters/outbound/", "client/", "cli.py", "commands/", "sample/")
    assert {maker for maker in makers if not maker.startswith(allowed)} == set()


async def test_a_connection_to_another_host_than_the_judged_one_is_not_made() -> None:
    async with listening() as peer:
        target = check_url(f"http://{HOST}:{peer.port}/", policy=OPEN)
        backend = PinnedBackend(target, [ip_address("127.0.0.1")])
        for host, port in (("other.example.com", peer.port), (HOST, peer.port + 1)):
            with pytest.raises(httpcore.ConnectError):
                await backend.connect_tcp(host, port)
        assert peer.connections == 0


async def test_bytes_behind_the_end_of_what_is_packed_count_as_well() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"x"))
        while True:
            writer.write(b"\0" * 65_536)
            await writer.drain()

    async with listening(endless) as peer:
        reply = await Outbound(OPEN).post(
            f"http://127.0.0.1:{peer.port}/", content=b"x", timeout_seconds=5, answer_bytes_max=100_000
        )
    assert (reply.body, reply.cut) == (b"x", True)
