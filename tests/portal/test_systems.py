"""Systems, keys, people and agencies, as officials keep them without scripts."""

from __future__ import annotations

import base64
import re

import pytest
from nacl.signing import SigningKey
from sqlalchemy import text

from hub.domain import registry
from hub.means import Means
from tests.client import Client
from tests.factories.registry import HUB, Post, ensure_tenant, make_agency
from tests.portal.browsing import Page, Visitor
from tests.portal.conftest import enter

pytestmark = pytest.mark.anyio

OWNER = "asha@punjab.gov.in"
SECRET = re.compile(r'<pre id="secret">([^<]+)</pre>')


@pytest.fixture
async def owner(visitor: Visitor, post: Post, means: Means) -> Visitor:
    """An agency's owner, signed in a moment ago."""
    await make_agency(post.database, means, name="Water Board", email=OWNER)
    await enter(visitor, post, OWNER)
    return visitor


async def _register(owner: Visitor, **form: str | list[str]) -> Page:
    given: dict[str, str | list[str]] = {
        "name": "mGramSeva",
        "roles": ["PROVIDER", "CONSUMER"],
        "environment": "TEST",
    }
    return await owner.post("/portal/systems/new", **{**given, "once": "one", **form})


async def test_a_system_is_registered_and_its_key_works_and_is_shown_once(owner: Visitor) -> None:
    page = await _register(owner)
    assert page.status == 200
    (secret,) = SECRET.findall(page.html)
    client = Client(owner.http, secret)
    assert (await client.run("{ me { system { name } } }"))["me"]["system"]["name"] == "mGramSeva"
    listed = await owner.get("/portal/systems")
    assert "mGramSeva" in listed.text
    (path,) = re.findall(r'href="(/portal/systems/sys_[^"]+)"', listed.html)
    again = await owner.get(path)
    assert secret not in again.html
    assert "Last used" in again.text


async def test_a_form_sent_twice_registers_one_system(owner: Visitor, post: Post) -> None:
    await _register(owner)
    await _register(owner)
    async with post.database.read() as read:
        assert (await read.rows(text("SELECT count(*) FROM system"))).scalar() == 1


async def test_what_a_system_lacks_is_named_and_nothing_is_written(owner: Visitor, post: Post) -> None:
    page = await _register(owner, name="", roles=[])
    assert page.status == 422
    async with post.database.read() as read:
        assert (await read.rows(text("SELECT count(*) FROM system"))).scalar() == 0


async def test_a_key_is_replaced_after_being_asked(owner: Visitor) -> None:
    page = await _register(owner)
    (old,) = SECRET.findall(page.html)
    (path,) = re.findall(r'href="(/portal/systems/sys_[^"/]+)/regenerate"', page.html)
    asked = await owner.get(f"{path}/regenerate")
    assert "stops working at once" in asked.text
    assert (await Client(owner.http, old).run("{ me { kind } }")) == {"me": {"kind": "SYSTEM"}}
    page = await owner.post(f"{path}/regenerate")
    (new,) = SECRET.findall(page.html)
    assert await Client(owner.http, old).codes("{ me { kind } }") == ["KEY_REVOKED"]
    assert (await Client(owner.http, new).run("{ me { kind } }")) == {"me": {"kind": "SYSTEM"}}


async def test_a_suspended_system_is_refused_and_a_resumed_one_is_not(owner: Visitor) -> None:
    page = await _register(owner)
    (secret,) = SECRET.findall(page.html)
    (path,) = re.findall(r'href="(/portal/systems/sys_[^"/]+)/suspend"', page.html)
    await owner.post(f"{path}/suspend")
    assert await Client(owner.http, secret).codes("{ me { kind } }") == ["SYSTEM_NOT_ACTIVE"]
    await owner.post(f"{path}/resume")
    assert (await Client(owner.http, secret).run("{ me { kind } }")) == {"me": {"kind": "SYSTEM"}}


@pytest.mark.parametrize("writing", ["pem", "base64", "hex"])
async def test_a_pasted_key_is_proven_and_registered(owner: Visitor, writing: str) -> None:
    page = await _register(owner)
    (path,) = re.findall(r'href="(/portal/systems/sys_[^"/]+)/signing-key"', page.html)
    key = SigningKey.generate()
    raw = bytes(key.verify_key)
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + raw).decode()
    written = {
        "pem": f"-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n",
        "base64": base64.b64encode(raw).decode(),
        "hex": raw.hex(),
    }[writing]
    page = await owner.post(f"{path}/signing-key", publicKey=written)
    hidden = dict(
        re.findall(r'name="(publicKey|challenge|bytesToSign|expiresAt)" value="([^"]*)"', page.html)
    )
    hidden = {name: value.replace("&#43;", "+") for name, value in hidden.items()}
    signature = key.sign(base64.b64decode(hidden["bytesToSign"])).signature
    wrong = await owner.post(f"{path}/signing-key", **hidden, signature=base64.b64encode(b"x" * 64).decode())
    assert wrong.status == 422
    page = await owner.post(f"{path}/signing-key", **hidden, signature=base64.b64encode(signature).decode())
    assert "The signing key is registered." in page.text
    assert "Active" in page.text


@pytest.mark.parametrize("pasted", ["", "nonsense", "ab" * 31, "-----BEGIN PUBLIC KEY-----\nAAAA"])
async def test_what_is_no_key_is_refused_at_its_field(owner: Visitor, pasted: str) -> None:
    page = await _register(owner)
    (path,) = re.findall(r'href="(/portal/systems/sys_[^"/]+)/signing-key"', page.html)
    page = await owner.post(f"{path}/signing-key", publicKey=pasted)
    assert page.status == 422
    assert 'id="publicKey-problem"' in page.html


async def test_colleagues_are_invited_changed_and_removed(owner: Visitor, post: Post) -> None:
    page = await owner.post("/portal/people", name="Vikram", email="vikram@punjab.gov.in", roles=["READER"])
    assert "The invitation is on its way." in page.text
    (person,) = re.findall(r'href="/portal/people/(per_[^"/]+)/remove" aria-label="[^"]*Vikram', page.html)
    page = await owner.post(f"/portal/people/{person}", roles=["APPROVER"])
    row = page.html.partition(f"/portal/people/{person}")[2].partition("</form>")[0]
    assert re.findall(r'value="(\w+)" checked', row) == ["APPROVER"]
    page = await owner.post(f"/portal/people/{person}/remove")
    assert "Vikram" not in page.text


async def test_a_reader_sees_people_and_cannot_invite(visitor: Visitor, post: Post, means: Means) -> None:
    agency = await make_agency(post.database, means, email=OWNER)
    assert agency.id
    await enter(visitor, post, OWNER)
    await visitor.post("/portal/people", name="Vikram", email="vikram@punjab.gov.in", roles=["READER"])
    await post.deliver()
    await visitor.post("/portal/sign-out")
    await enter(visitor, post, "vikram@punjab.gov.in")
    page = await visitor.get("/portal/people")
    assert "Vikram" in page.text
    assert "Invite" not in page.text
    refused = await visitor.post("/portal/people", name="X", email="x@punjab.gov.in", roles=["OWNER"])
    assert refused.status == 422
    assert "ROLE_NOT_ALLOWED" in refused.text


async def test_an_operator_lets_an_agency_in(visitor: Visitor, post: Post) -> None:
    async with post.database.transaction() as tx:
        tenant = await ensure_tenant(tx)
        await registry.add_operator(tx, HUB, tenant.code, "operator@punjab.gov.in")
    await visitor.post(
        "/portal/register",
        government="pb",
        name="Mandi Board",
        contactName="Asha Rani",
        phone="+911722740000",
        email=OWNER,
    )
    await visitor.post("/portal/sign-in/code", email=OWNER, code=await post.code(), agency="agy")
    await visitor.post("/portal/sign-out")
    await post.deliver()
    await enter(visitor, post, "operator@punjab.gov.in")
    page = await visitor.get("/portal/agencies")
    assert "Mandi Board" in page.text
    (path,) = re.findall(r'href="(/portal/agencies/agy_[^"]+/approve)"', page.html)
    await visitor.post(path)
    assert "Mandi Board" in (await visitor.get("/portal/agencies?state=ACTIVE")).text


@pytest.mark.parametrize(
    "path", ["/portal/systems", "/portal/people", "/portal/agencies", "/portal/systems/new"]
)
async def test_pages_for_members_ask_to_sign_in(visitor: Visitor, path: str) -> None:
    page = await visitor.get(path)
    assert page.path == f"/portal/sign-in?next={path.replace('/', '%2F')}"


async def test_another_agencys_system_is_not_there(owner: Visitor, post: Post, means: Means) -> None:
    page = await _register(owner)
    (path,) = re.findall(r'href="(/portal/systems/sys_[^"/]+)/regenerate"', page.html)
    await make_agency(post.database, means, name="Other", email="other@punjab.gov.in")
    await owner.post("/portal/sign-out")
    await post.deliver()
    await enter(owner, post, "other@punjab.gov.in")
    assert "it is not for you" in (await owner.get(path)).text
    assert "it is not for you" in (await owner.post(f"{path}/regenerate")).text
