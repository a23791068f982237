"""Signed notes and checkpoints: the published example of Go's note package, our own round trip, and malformed ones."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, strategies as st

from hub.signing import Checkpoint, HubKey, NoteKey, NoteRefused, open_note, sign_note

# golang.org/x/mod/sumdb/note: the example of its documentation.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY, OTHER = HubKey.from_seed(b"k" * 32), HubKey.from_seed(b"o" * 32)
NAME = "ifix.org/log"
HEAD = Checkpoint(NAME, 7, hashlib.sha256(b"root").digest())


def test_the_published_example_verifies() -> None:
    key = NoteKey.parse(PETER)
    text, signed = open_note(EXAMPLE, [key])
    assert (text.count("\n"), signed, key.text) == (2, (key,), PETER)


def test_a_checkpoint_is_read_back_as_it_was_signed() -> None:
    note = sign_note(HEAD.text, NAME, [OTHER, KEY])
    keys = [NoteKey(NAME, KEY.public), NoteKey(NAME, OTHER.public)]
    text, signed = open_note(note, keys)
    assert Checkpoint.parse(text) == HEAD
    assert signed == (keys[1], keys[0])
    assert note.splitlines()[:4] == [NAME, "7", base64.b64encode(HEAD.root).decode(), ""]


def test_lines_by_unknown_keys_are_passed_over() -> None:
    note = sign_note(HEAD.text, NAME, [OTHER, KEY])
    assert open_note(note, [NoteKey(NAME, KEY.public)])[1] == (NoteKey(NAME, KEY.public),)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda note: note.replace("\n7\n", "\n8\n"), "NOTE_SIGNATURE"),
        (lambda note: note.replace(NAME + "\n", "other/log\n", 1), "NOTE_SIGNATURE"),
        (lambda note: note[:-1], "NOTE_SHAPE"),
        (lambda note: note.replace("\n\n", "\n"), "NOTE_SHAPE"),
        (lambda note: note.replace("\u2014 ", "- "), "NOTE_SHAPE"),
        (lambda note: note.replace("\u2014 ifix", "\u2014 iffx"), "NOTE_UNSIGNED"),
        (lambda note: note + "\n", "NOTE_SHAPE"),
        (lambda note: note + "\u2014 x AAAA\n" * 100, "NOTE_SHAPE"),
        (lambda note: note.rpartition("\n\n")[0] + "\n\n", "NOTE_SHAPE"),
        (lambda _: "", "NOTE_SHAPE"),
    ],
)
def test_a_changed_note_is_refused(change: object, code: str) -> None:
    note = sign_note(HEAD.text, NAME, [KEY])
    assert callable(change)
    with pytest.raises(NoteRefused) as refused:
        open_note(change(note), [NoteKey(NAME, KEY.public)])
    assert [violation.code for violation in refused.value.violations] == [code]


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\nAAAA\n",
        "a\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "a\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "a\n9223372036854775808\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "a\n1\n" + base64.b64encode(bytes(32)).decode(),
        "a\n1\n\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "a b+c74f20a3+AA==",
        PETER.replace("c74f", "c74e"),
        PETER.replace("+AR", "+AQ"),
        PETER[:-4],
        "a" + PETER,
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        NoteKey.parse(text)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 10_000))
def test_no_flipped_character_goes_unseen(size: int, root: bytes, at: int) -> None:
    note = sign_note(Checkpoint(NAME, size, root).text, NAME, [KEY])
    at %= len(note)
    changed = note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :]
    with pytest.raises(NoteRefused):
        open_note(changed, [NoteKey(NAME, KEY.public)])
