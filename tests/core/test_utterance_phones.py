"""Phones of an utterance, from the TextGrid beside its audio; only for display, so that nothing here is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Word
from align_eval.reporting.html.embed import Stretch, embed_media
from align_eval.reporting.utterance_phones import phones_reader

WORDS = (Word("one", 0.1, 0.5), Word("two", 0.5, 0.9))
PHONES = (
    Word("W", 0.1, 0.2),
    Word("AH1", 0.2, 0.35),
    Word("N", 0.35, 0.5),
    Word("T", 0.5, 0.62),
    Word("UW", 0.62, 0.9),
)
OTHERS = (Word("S", 0.1, 0.3),)


def phones_of(folder: Path, span: AudioSpan | None = None, speaker: str | None = None) -> tuple[Word, ...]:
    return tuple(phones_reader({"a": span or AudioSpan(folder / "a.wav")}, {"a": speaker})("a"))


@pytest.mark.parametrize("name", ["phones", "Phones", "phone", "phonemes", "MAU", "ann - phones", " phones "])
def test_the_only_phone_tier_is_read_whatever_its_tool_calls_it(tmp_path, name):
    write_words(tmp_path / "a.TextGrid", {"words": WORDS, name: PHONES}, 1.0)
    assert phones_of(tmp_path) == PHONES


@pytest.mark.parametrize("name", ["words", "telephones", "phones (no length)", "ann - words"])
def test_other_tiers_are_no_phones(tmp_path, name):
    write_words(tmp_path / "a.TextGrid", {name: PHONES}, 1.0)
    assert phones_of(tmp_path) == ()


@pytest.mark.parametrize(("speaker", "expected"), [("ann", PHONES), ("bob", OTHERS), ("cy", ()), (None, ())])
def test_of_several_speakers_only_the_own_phones_are_read(tmp_path, speaker, expected):
    """As in TextGrids of the Montreal Forced Aligner; another speaker's phones would be wrong."""
    tiers = {"ann - words": WORDS, "ann - phones": PHONES, "bob - words": WORDS, "bob - phones": OTHERS}
    write_words(tmp_path / "a.TextGrid", tiers, 1.0)
    assert phones_of(tmp_path, speaker=speaker) == expected


def test_phones_of_a_part_count_from_its_start_and_are_cut_at_its_ends(tmp_path):
    """By hand: of 0.3 to 0.6 s, the rest of AH1, N, and the beginning of T."""
    write_words(tmp_path / "a.TextGrid", {"words": WORDS, "phones": PHONES}, 1.0)
    part = phones_of(tmp_path, AudioSpan(tmp_path / "a.wav", start_s=0.3, end_s=0.6))
    assert [phone.text for phone in part] == ["AH1", "N", "T"]
    times = [time for phone in part for time in (phone.start_s, phone.end_s)]
    assert times == pytest.approx([0.0, 0.05, 0.05, 0.2, 0.2, 0.3])


@pytest.mark.parametrize("content", [None, b"", b"ooBinaryFile\x08TextGrid", b'File type = "ooTextFile"\n'])
def test_without_a_readable_textgrid_there_are_no_phones(tmp_path, content):
    if content is not None:
        (tmp_path / "a.TextGrid").write_bytes(content)
    assert phones_of(tmp_path) == ()
    assert tuple(phones_reader({}, {})("a")) == ()


def test_a_stretch_of_a_page_has_the_phones_inside_it(tmp_path):
    """In tenths of a millisecond from the start of the utterance."""
    write_words(tmp_path / "a.TextGrid", {"words": WORDS, "phones": PHONES}, 1.0)
    reader = phones_reader({"a": AudioSpan(tmp_path / "a.wav")}, {})
    stretch = Stretch("a", 0.55, 1.0, whole=False)
    media = embed_media(lambda _: None, [stretch], {}, 10**6, audio=True, phones_of=reader)
    assert media.entries["a"][0]["phones"] == [[5000, 6200, "T"], [6200, 9000, "UW"]]
    refused = embed_media(lambda _: None, [stretch], {}, 10, audio=True, phones_of=reader)
    assert (refused.entries, refused.left_out) == ({}, ["a"])
