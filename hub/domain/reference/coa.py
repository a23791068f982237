"""Spellings of a head of account: the six tiers, their digits, the compact forms, and free-form heads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from hub.codes import Code
from hub.errors import Problem


class Profile(StrEnum):
    """STRICT: the six tiers with their digits. OPEN: heads as a government publishes them, any depth."""

    STRICT = "STRICT"
    OPEN = "OPEN"


class Side(StrEnum):
    """On which side of the account a head stands, by its major head."""

    RECEIPT = "RECEIPT"
    EXPENDITURE = "EXPENDITURE"
    DEBT = "DEBT"
    LOAN = "LOAN"
    PUBLIC_ACCOUNT = "PUBLIC_ACCOUNT"


@dataclass(frozen=True, slots=True)
class Tier:
    """One of the six tiers: its field, its digits and the codes of what can be wrong with it."""

    name: str
    digits: int
    missing: Code
    length: Code
    naming: Code


TIERS = (
    Tier("majorHead", 4, Code.MAJOR_HEAD, Code.MAJOR_HEAD_CODE_LENGTH, Code.MAJOR_HEAD_NAME),
    Tier("subMajorHead", 2, Code.SUB_MAJOR_HEAD, Code.SUB_MAJOR_HEAD_CODE_LENGTH, Code.SUB_MAJOR_HEAD_NAME),
    Tier("minorHead", 3, Code.MINOR_HEAD, Code.MINOR_HEAD_CODE_LENGTH, Code.MINOR_HEAD_NAME),
    Tier("subHead", 2, Code.SUB_HEAD, Code.SUB_HEAD_CODE_LENGTH, Code.SUB_HEAD_NAME),
    Tier("groupHead", 2, Code.GROUP_HEAD, Code.GROUP_HEAD_CODE_LENGTH, Code.GROUP_HEAD_NAME),
    Tier("objectHead", 2, Code.OBJECT_HEAD, Code.OBJECT_HEAD_CODE_LENGTH, Code.OBJECT_HEAD_NAME),
)
GROUP = 4
NO_GROUP = "00"
SEGMENTS_MAX = 12
SEGMENT_LENGTH = range(1, 17)
TYPE_LENGTH = range(2, 33)
CODE_LENGTH_MAX = 64
DIGITS = re.compile(r"[0-9]+\Z")
OPEN_SEGMENT = re.compile(r"[0-9A-Za-z.]{1,16}\Z")
COMPACT_FULL = re.compile(r"[0-9]{15}\Z")
COMPACT_RECEIPT = re.compile(r"[0-9]{13}\Z")


def side_of(major: str) -> Side | None:
    """The side of a four-digit major head, by the Indian list of heads; None for any other."""
    if len(major) != TIERS[0].digits or not DIGITS.match(major):
        return None
    if major[0] in "01" or major == "4000":
        return Side.RECEIPT
    if major in {"6001", "6002", "6003", "6004"}:
        return Side.DEBT
    if major[0] in "2345":
        return Side.EXPENDITURE
    if major[0] in "67":
        return Side.LOAN
    return Side.PUBLIC_ACCOUNT


def ancestors(code: str) -> list[str]:
    """The codes above a head, root first, without itself."""
    parts = code.split("-")
    return ["-".join(parts[:end]) for end in range(1, len(parts))]


def check_heads(heads: Sequence[str | None], path: Sequence[str]) -> tuple[str | None, list[Problem]]:
    """The code of six heads, or everything wrong with them. Receipts without a group get ``00``."""
    given = [head.strip() if head else None for head in heads]
    if given[GROUP] is None and given[0] and side_of(given[0]) is Side.RECEIPT:
        given[GROUP] = NO_GROUP
    problems = []
    for tier, head, where in zip(TIERS, given, path, strict=True):
        problem = _check_head(tier, head)
        if problem is not None:
            problems.append(Problem(problem[0], problem[1], (where,)))
    return (None, problems) if problems else ("-".join(head or "" for head in given), [])


def _check_head(tier: Tier, head: str | None) -> tuple[Code, str] | None:
    if not head:
        return tier.missing, tier.missing.summary
    if len(head) != tier.digits:
        return tier.length, tier.length.summary
    if not (head.isascii() and DIGITS.match(head)):
        return Code.COA_DIGITS, Code.COA_DIGITS.summary
    return None


def check_code(code: str, profile: Profile) -> tuple[str, list[Problem]]:
    """The normal spelling of a whole code under a profile, and everything wrong with it."""
    if len(code) > CODE_LENGTH_MAX:
        return code, [Problem(Code.COA_CODE_LENGTH, f"at most {CODE_LENGTH_MAX} characters", ("code",))]
    if profile is Profile.OPEN:
        parts = code.split("-")
        if len(parts) > SEGMENTS_MAX or not all(OPEN_SEGMENT.match(part) for part in parts):
            words = f"1 to {SEGMENTS_MAX} segments of 1 to 16 letters, digits or dots, joined by hyphens"
            return code, [Problem(Code.CODE, f"a head of account has {words}", ("code",))]
        return code, []
    normal = expand(code)
    parts = normal.split("-")
    if len(parts) > len(TIERS):
        return code, [Problem(Code.COA_CODE_LENGTH, "a head of account has at most six tiers", ("code",))]
    wrong = [_check_head(tier, part) for tier, part in zip(TIERS, parts, strict=False)]
    return normal, [Problem(found[0], found[1], ("code",)) for found in wrong if found is not None]


def expand(code: str) -> str:
    """A compact spelling of 15 or 13 digits with its hyphens; anything else as it is."""
    if COMPACT_FULL.match(code):
        cuts = (0, 4, 6, 9, 11, 13, 15)
        return "-".join(code[start:end] for start, end in pairwise(cuts))
    if COMPACT_RECEIPT.match(code):
        return f"{code[:4]}-{code[4:6]}-{code[6:9]}-{code[9:11]}-{NO_GROUP}-{code[11:]}"
    return code


@lru_cache(maxsize=10_000)
def spellings(code: str) -> tuple[str, ...]:
    """What a code may be stored as, best first: as it stands, expanded, a receipt with its filler group."""
    tries = [code, expand(code)]
    parts = code.split("-")
    if len(parts) == len(TIERS) - 1 and side_of(parts[0]) is Side.RECEIPT:
        tries.append("-".join([*parts[:GROUP], NO_GROUP, parts[GROUP]]))
    return tuple(dict.fromkeys(tries))


def attributes(code: str, profile: Profile) -> Mapping[str, str]:
    """What a head's code says about it."""
    side = side_of(code.split("-", 1)[0])
    return {"profile": profile.value, **({"side": side.value} if side else {})}
