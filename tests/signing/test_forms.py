"""Forms give the very bytes of whole statements and receipts, whatever these say."""

from __future__ import annotations

from datetime import UTC, datetime
from unicodedata import normalize
from uuid import UUID

from hypothesis import example, given, strategies as st

from hub.signing import Digest, Purpose, Receipt, ReceiptForm, Statement, StatementForm, instant_text

digests = st.binary(min_size=32, max_size=32).map(Digest)
names = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=100)
    .map(lambda text: normalize("NFC", text))
    .filter(lambda text: 1 <= len(text) <= 100)
)
instants = st.datetimes(timezones=st.just(UTC))
TRAP = 'a"postingId":"b' + Digest(bytes(32)).text
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@given(digests, digests, names, names, st.sampled_from(Purpose), instants, names)
@example(Digest(bytes(32)), Digest(b"\x01" * 32), TRAP, TRAP, Purpose.ORIGIN, NOW, TRAP)
def test_a_statement_s_form_writes_what_the_whole_statement_writes(
    like: Digest, other: Digest, comments: str, key_id: str, purpose: Purpose, at: datetime, system: str
) -> None:
    def whole(digest: Digest) -> Statement:
        return Statement(digest, comments, key_id, purpose, signed_at=instant_text(at), system=system)

    form = StatementForm(whole(like))

    assert form.bytes(other) == whole(other).bytes()
    assert form.bytes(like) == whole(like).bytes()


@given(digests, digests, st.uuids(), st.uuids(), instants, st.tuples(names, names, names))
@example(Digest(bytes(32)), Digest(b"\x01" * 32), UUID(int=0), UUID(int=1), NOW, (TRAP, TRAP, TRAP))
def test_a_receipt_s_form_writes_what_the_whole_receipt_writes(
    like: Digest, other: Digest, id_: UUID, other_id: UUID, at: datetime, named: tuple[str, str, str]
) -> None:
    def whole(posting_id: UUID, digest: Digest) -> Receipt:
        tenant, system, key_id = named
        return Receipt(posting_id, digest, at, tenant, system=system, key_id=key_id)

    form = ReceiptForm(whole(id_, like))

    assert form.bytes(other_id, other) == whole(other_id, other).bytes()
    assert form.bytes(id_, like) == whole(id_, like).bytes()
