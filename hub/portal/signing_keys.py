"""Signing keys: a public key is shown to be one's own, made in the browser or elsewhere, and later put out of use."""

from __future__ import annotations

import base64
import binascii

from starlette.responses import Response

from hub.portal.asking import Problem
from hub.portal.languages import marked
from hub.portal.steps import Step, confirmed
from hub.portal.systems import PATH, find
from hub.portal.visits import Elsewhere, Visit

KEY_BYTES = 32
# What precedes the 32 bytes in a SubjectPublicKeyInfo of Ed25519 (RFC 8410).
DER_PREFIX = bytes.fromhex("302a300506032b6570032100")
STEPS = {
    "activate": Step(
        "ActivateSigningKey",
        marked("Activate the signing key"),
        marked(
            "What is signed with it is accepted from now on; the key in use so far is retired after a while."
        ),
    ),
    "retire": Step(
        "RetireSigningKey",
        marked("Retire the signing key"),
        marked("Nothing new that is signed with it is accepted. What it signed before stays valid."),
        is_dangerous=True,
    ),
    "compromise": Step(
        "CompromiseSigningKey",
        marked("Report the signing key as compromised"),
        marked(
            "Use this when somebody else may have the private key. Nothing signed with it is accepted any more, and this cannot be undone."
        ),
        is_dangerous=True,
    ),
}


async def ask(visit: Visit) -> Response:
    """How to register a key: made here in the browser, or pasted."""
    visit.must_be_known()
    return visit.page("signing_key_new.html", system=await find(visit), challenge=None, public_key="")


async def register(visit: Visit) -> Response:
    """First the challenge for the pasted key; then, with its signature, the key."""
    visit.must_be_known()
    system, form = await find(visit), visit.form
    back = f"{PATH}/{system['id']}"
    public_key = as_bytes(form.text("publicKey") or form.text("file"))
    if public_key is None:
        problem = Problem("SIGNING_KEY", ("input", "publicKey"), "an Ed25519 public key: PEM, base64 or hex")
        return visit.page(
            "signing_key_new.html", problems=[problem], system=system, challenge=None, public_key=""
        )
    given = {"publicKey": public_key, "systemId": system["id"]}
    if form.text("signature"):
        proof = {"challenge": form.text("challenge"), "signature": as_signature(form.text("signature"))}
        outcome = await visit.ask("AddSigningKey", input={**given, **proof})
        visit.step_up_if_asked(outcome, f"{back}/signing-key")
        if not outcome.problems:
            return visit.go(f"{back}?done=key")
        again = {name: form.text(name) for name in ("challenge", "bytesToSign", "expiresAt")}
        return visit.page(
            "signing_key_new.html",
            problems=outcome.problems,
            system=system,
            challenge=again,
            public_key=public_key,
        )
    outcome = await visit.ask("RequestKeyChallenge", input=given)
    visit.step_up_if_asked(outcome, f"{back}/signing-key")
    challenge = (outcome.data.get("requestKeyChallenge") or {}).get("challenge")
    return visit.page(
        "signing_key_new.html",
        problems=outcome.problems,
        system=system,
        challenge=challenge,
        public_key=public_key if challenge else "",
    )


async def step(visit: Visit) -> Response:
    """Put a key in or out of use."""
    visit.must_be_known()
    system = await find(visit)
    back = f"{PATH}/{system['id']}"
    chosen = STEPS.get(visit.path("step"))
    if chosen is None:
        raise Elsewhere(back)
    outcome = await confirmed(visit, chosen, {"id": visit.path("key")}, back=back, subject=visit.path("key"))
    return outcome if isinstance(outcome, Response) else visit.go(f"{back}?done=changed")


def as_bytes(text: str) -> str | None:
    """A public key in base64, from PEM, DER in base64, base64 or hex; None for what is none of them."""
    lines = [line for line in text.split() if line]
    if text.startswith("-----BEGIN"):
        lines = "".join(text.splitlines()[1:]).partition("-----END")[0].split()
    joined = "".join(lines)
    try:
        raw = (
            bytes.fromhex(joined) if len(joined) == 2 * KEY_BYTES else base64.b64decode(joined, validate=True)
        )
    except (ValueError, binascii.Error):
        return None
    raw = raw.removeprefix(DER_PREFIX)
    return base64.b64encode(raw).decode() if len(raw) == KEY_BYTES else None


def as_signature(text: str) -> str:
    """A signature without the line breaks tools put into base64."""
    return "".join(text.split())


PAGES = [
    ("/systems/{id}/signing-key", ask, ["GET"]),
    ("/systems/{id}/signing-key", register, ["POST"]),
    ("/systems/{id}/signing-keys/{key}/{step}", step, ["GET", "POST"]),
]
