"""One-time codes by mail: eight digits, ten minutes, one use, five tries, bound to the browser that asked."""

from __future__ import annotations

import base64
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from sqlalchemy import RowMapping

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import jobs
from hub.domain.registry import store, store_codes, store_systems
from hub.domain.registry.secrets import new_code
from hub.errors import TooMany
from hub.kit.ids import new_id
from hub.means import Means
from hub.signing import sealed

CODE_VALID_FOR = timedelta(minutes=10)
CODE_PAUSE = timedelta(seconds=60)
CODE_TRIES_MAX = 5
CODES_PER_DAY_MAX = 6
DAY = timedelta(days=1)
KEPT_FOR = timedelta(days=2)

ACCOUNT_PURPOSE = "registry.account"
BROWSER_PURPOSE = "registry.browser"
CODE_PURPOSE = "registry.one_time_code"


class Refused(Enum):
    """Why a code is not taken."""

    INVALID = auto()
    EXPIRED = auto()
    LOCKED = auto()
    SESSION = auto()


@dataclass(frozen=True, slots=True)
class Proof:
    """A right code was entered: whose address is proved, and for which agency the code was sent."""

    person_id: uuid.UUID
    agency: tuple[uuid.UUID, uuid.UUID] | None


@dataclass(frozen=True, slots=True)
class CodeMail:
    """A code on its way: to whom, and the digits, which exist only in this value and the mail."""

    to: str
    code: str

    def __repr__(self) -> str:
        return "CodeMail()"


async def send_code(
    tx: Transaction,
    means: Means,
    browser: str,
    email: str,
    *,
    person_id: uuid.UUID | None = None,
    agency: tuple[uuid.UUID, uuid.UUID] | None = None,
) -> None:
    """Write a code and the job that mails it; with ``person_id`` None all the same, but nothing is mailed.

    Known and unknown addresses cost the same work and leave the same rows. Raises TooMany OTP_RATE_LIMIT for
    a second code within 60 s or a seventh within 24 h, counted per address whatever its letter case.
    """
    account_hash = means.keyed_hash(ACCOUNT_PURPOSE, email.lower().encode())
    if not await store_codes.take_allowance(tx, account_hash, tx.now - CODE_PAUSE):
        raise _too_many(CODE_PAUSE)
    if await store_codes.count_codes(tx, account_hash, tx.now - DAY) >= CODES_PER_DAY_MAX:
        raise _too_many(timedelta(hours=1))
    code_id, code = new_id(), new_code()
    # A code for nobody is random bytes: no digits match it, however often they are tried.
    code_hash = _code_hash(means, code_id, code) if person_id is not None else secrets.token_bytes(32)
    await store_codes.insert_code(
        tx,
        {
            "id": code_id,
            "account_hash": account_hash,
            "browser_hash": means.keyed_hash(BROWSER_PURPOSE, browser.encode()),
            "code_hash": code_hash,
            "person_id": person_id,
            "tenant_id": agency[0] if agency is not None else None,
            "agency_id": agency[1] if agency is not None else None,
            "tries": 0,
            "created_at": tx.now,
            "expires_at": tx.now + CODE_VALID_FOR,
        },
    )
    envelope = sealed.seal_bytes(means.master_key, CODE_PURPOSE, code.encode(), owner=code_id.bytes)
    sealed_text = base64.b64encode(envelope).decode()
    await jobs.enqueue(tx, "registry.send_code", {"code_id": str(code_id), "sealed": sealed_text})
    await forget_later(tx)


async def find_mail(read: Read, means: Means, code_id: uuid.UUID, sealed_text: str) -> CodeMail | None:
    """The mail of a code that is still worth sending, or None: for nobody, used, or too old."""
    row = await store_codes.find_code_by_id(read, code_id)
    if row is None or row["person_id"] is None or row["used_at"] is not None or row["expires_at"] < read.now:
        return None
    to = await store.find_email(read, row["person_id"])
    if to is None:
        return None
    envelope = base64.b64decode(sealed_text, validate=True)
    code = sealed.open_bytes(means.master_key, CODE_PURPOSE, envelope, owner=code_id.bytes)
    return CodeMail(to, code.decode())


async def check_code(tx: Transaction, means: Means, browser: str, email: str, code: str) -> Proof | Refused:
    """Try a code; the try is counted, so the transaction must commit whatever the answer.

    1. the latest code this browser asked for, for this address; 2. it is neither used, expired nor tried out;
    3. the try is counted, which holds the row; 4. the digits are compared in constant time; 5. it is spent.
    """
    account_hash = means.keyed_hash(ACCOUNT_PURPOSE, email.lower().encode())
    browser_hash = means.keyed_hash(BROWSER_PURPOSE, browser.encode())
    row = await store_codes.find_code(tx, account_hash, browser_hash)
    if row is None:
        elsewhere = await store_codes.find_code(tx, account_hash)
        live = elsewhere is not None and elsewhere["used_at"] is None and elsewhere["expires_at"] >= tx.now
        return Refused.SESSION if live else Refused.INVALID
    if not await store_codes.count_try(tx, row["id"], CODE_TRIES_MAX):
        return _why_not(await store_codes.find_code_by_id(tx, row["id"]) or row, tx)
    if not hmac.compare_digest(row["code_hash"], _code_hash(means, row["id"], code)):
        return Refused.INVALID
    await store_codes.spend_code(tx, row["id"])
    agency = (row["tenant_id"], row["agency_id"]) if row["agency_id"] is not None else None
    return Proof(row["person_id"], agency)


def _why_not(row: RowMapping, tx: Transaction) -> Refused:
    if row["used_at"] is not None:
        return Refused.INVALID
    if row["expires_at"] < tx.now:
        return Refused.EXPIRED
    return Refused.LOCKED


def _code_hash(means: Means, code_id: uuid.UUID, code: str) -> bytes:
    return means.keyed_hash(CODE_PURPOSE, code_id.bytes + code.encode())


def _too_many(wait: timedelta) -> TooMany:
    problem = TooMany.because(Code.OTP_RATE_LIMIT, Code.OTP_RATE_LIMIT.summary).problems
    return TooMany(problem, retry_after_seconds=int(wait.total_seconds()))


async def forget_later(tx: Transaction) -> None:
    """Have what is written now deleted once it counts no more; one job a day."""
    due = tx.now + KEPT_FOR
    await jobs.enqueue(tx, "registry.forget", {}, dedupe_key=f"registry.forget:{due.date()}", run_at=due)


async def forget(tx: Transaction) -> None:
    """Delete codes, allowances, challenges and ended sessions that nothing counts any more."""
    await store_systems.forget_challenges(tx, tx.now - KEPT_FOR)
    await store_codes.forget_codes(tx, tx.now - KEPT_FOR)
    await store_codes.forget_sessions(tx, tx.now - KEPT_FOR)
