"""Statements and receipts by the hundred: what they share is checked and written once, each differs in a digest or an id.

A form is made of one whole statement or receipt, which has passed every check; nothing that differs can break one: a
digest and a UUID have one text each, of plain characters. A property test holds the bytes to those of the whole ones.
"""

from __future__ import annotations

from uuid import UUID

from hub.signing.envelope import Receipt, Statement
from hub.signing.framing import Digest

_POSTING_ID = b'"postingId":"'
_ID_LENGTH = 36


class StatementForm:
    """The bytes of statements that are alike in all but the content they speak of."""

    __slots__ = ("_after", "_before")

    def __init__(self, like: Statement) -> None:
        self._before, found, self._after = like.bytes().partition(like.body_digest.text.encode())
        assert found

    def bytes(self, body_digest: Digest) -> bytes:
        """`Statement.bytes` of the same statement about other content."""
        return b"%bsha256:%b%b" % (self._before, body_digest.raw.hex().encode(), self._after)


class ReceiptForm:
    """The bytes of receipts that are alike in all but the posting and its content."""

    __slots__ = ("_after", "_before", "_between")

    def __init__(self, like: Receipt) -> None:
        self._before, found, rest = like.bytes().partition(like.content_digest.text.encode())
        # Quotation marks inside a text are escaped: these can only be the member's own name.
        between, name, rest = rest.partition(_POSTING_ID)
        assert found
        assert name
        self._between = between + name
        self._after = rest[_ID_LENGTH:]

    def bytes(self, posting_id: UUID, content_digest: Digest) -> bytes:
        """`Receipt.bytes` of the same receipt for another posting."""
        return b"%bsha256:%b%b%b%b" % (
            self._before,
            content_digest.raw.hex().encode(),
            self._between,
            str(posting_id).encode(),
            self._after,
        )
