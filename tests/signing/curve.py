"""Edwards25519 in affine coordinates and without hurry (RFC 8032 section 5.1), to make keys and signatures that are bad on purpose."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point: TypeAlias = tuple[int, int]
IDENTITY: Point = (0, 1)


def plus(a: Point, b: Point) -> Point:
    cross = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + cross, P - 2, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - cross, P - 2, P) % P


def times(factor: int, point: Point) -> Point:
    result = IDENTITY
    while factor:
        if factor & 1:
            result = plus(result, point)
        point, factor = plus(point, point), factor >> 1
    return result


def point_at(y: int) -> Point | None:
    """A point of this height, if the curve has one."""
    x_squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x_squared, (P + 3) // 8, P)
    if x * x % P != x_squared:
        x = x * ROOT % P
    return (x, y) if x * x % P == x_squared else None


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def encode_raw(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def secret_of(seed: bytes) -> tuple[int, bytes]:
    digest = bytearray(hashlib.sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return int.from_bytes(digest[:32], "little"), bytes(digest[32:])


BASE = next(p for p in [point_at(4 * pow(5, P - 2, P) % P)] if p)
BASE = BASE if BASE[0] % 2 == 0 else (P - BASE[0], BASE[1])
# L times a point outside the prime-order group has order 2, 4 or 8; the first of order 8 generates the others.
TORSION = next(t for y in range(2, 50) if (p := point_at(y)) and times(4, t := times(L, p)) != IDENTITY)
