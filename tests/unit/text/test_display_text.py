"""Hostile names come out as text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_all.text.display_text import shown


@pytest.mark.parametrize(
    ("text", "out"),
    [
        (None, ""),
        ("S7", "S7"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("Müller 张伟 محمد", "Müller 张伟 محمد"),
        ("a\nb\tc", "a b c"),
        ("a\x1b[2Jb\x00", "a\ufffd[2Jb\ufffd"),
        ("invoice\u202efdp.exe", "invoice\ufffdfdp.exe"),
        ("\ud800", "\ufffd"),
        ("می\u200cروم", "می\u200cروم"),
    ],
)
def test_cases(text, out):
    assert shown(text) == out


def test_a_long_name_is_shortened_visibly():
    out = shown("x" * 10_000)
    assert out.endswith("... (10000 characters)")
    assert len(out) < 250


@given(st.text(st.characters(), max_size=300))
def test_nothing_that_acts_is_left(text):
    for character in shown(text):
        assert unicodedata.category(character)[0] != "C" or character in "\u200c\u200d"
