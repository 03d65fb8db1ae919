"""Hypothesis files of every format: detected by their content and read with their words and times.

The expected words of ``HYPOTHESES`` were copied from the files that the systems wrote. Files that no system could be
made to write are written by hand in its layout.
"""

import codecs
import gzip
import json
import warnings

import pytest

from align_eval.errors import InputError, InputWarning
from align_eval.formats.hypothesis.detect import FORMATS, claimants, read_transcripts
from align_eval.formats.hypothesis.document import read_document
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from align_eval.text import label_policy
from tests.helpers.hypothesis_files import GOOD, HYPOTHESES, JSON_GOOD, WORDS, write_good

RECOGNISED = ["He", "was", "not", "an", "old", "-sposed", "young", "man."]
IN_ONE = [*RECOGNISED[:4], "old-sposed", *RECOGNISED[6:]]

WRITTEN = {
    # path: format, words, times of the first word, times of the last word
    "openai-whisper": ("openai-whisper", RECOGNISED, (0.0, 0.42), (2.44, 2.72)),
    "faster-whisper": ("faster-whisper", RECOGNISED, (0.0, 0.42), (2.44, 2.72)),
    "whisper-timestamped": ("whisper-timestamped", IN_ONE, (0.14, 0.4), (2.44, 2.74)),
    "stable-ts": ("stable-ts", RECOGNISED, (0.26, 0.44), (2.44, 2.68)),
    "transformers": ("transformers", RECOGNISED, (0.0, 0.44), (2.48, 2.96)),
    "srt/openai-highlighted.srt": ("srt", RECOGNISED, (0.0, 0.42), (2.44, 2.72)),
    "srt/stable-ts-highlighted.srt": ("srt", RECOGNISED, (0.26, 0.44), (2.44, 2.68)),
    "srt/stable-ts-word-a-cue.srt": ("srt", RECOGNISED, (0.26, 0.44), (2.44, 2.68)),
    "webvtt/openai-highlighted.vtt": ("webvtt", RECOGNISED, (0.0, 0.42), (2.44, 2.72)),
    "webvtt/stable-ts-time-marks.vtt": ("webvtt", RECOGNISED, (0.26, 0.44), (2.44, 2.68)),
}


@pytest.mark.parametrize(("name", "expected"), WRITTEN.items(), ids=WRITTEN)
def test_the_file_of_each_system_is_read_with_its_words_and_times(name, expected):
    path = HYPOTHESES / name
    format_name, (transcript,) = read_transcripts(next(path.iterdir()) if path.is_dir() else path)
    words = transcript.words
    times = [(w.start_s, w.end_s) for w in (words[0], words[-1])]
    assert (format_name, [w.text for w in words], *times) == expected


def test_words_that_whisperx_could_not_align_are_read_without_times():
    format_name, (transcript,) = read_transcripts(next((HYPOTHESES / "whisperx").iterdir()))
    untimed = [(w.text, w.place) for w in transcript.words if not w.timed]
    assert (format_name, len(transcript.words)) == ("whisperx", 9)
    assert untimed == [("80-", "segment 1, word 5"), ("2", "segment 2, word 2 of its text")]


def test_lhotse_and_ctm_hold_several_recordings_by_their_names():
    format_name, lhotse = read_transcripts(HYPOTHESES / "lhotse" / "supervisions.jsonl")
    assert format_name == "lhotse"
    assert [(t.id, t.speaker, t.language, len(t.words)) for t in lhotse] == [
        ("en_librivox_sense_0880", "librivox-sense", "English", 8),
        ("en_praatio_bobby", "praatio-bobby", "English", 4),
    ]
    assert read_transcripts(HYPOTHESES / "lhotse-packed.jsonl.gz") == (format_name, lhotse)
    format_name, ctm = read_transcripts(HYPOTHESES / "ctm" / "words.ctm")  # its writer rounds to 10 ms
    assert format_name == "ctm"
    for exact, rounded in zip(lhotse, ctm, strict=True):
        assert (exact.id, [w.text for w in exact.words]) == (rounded.id, [w.text for w in rounded.words])
        assert all(abs(a.start_s - b.start_s) <= 0.00501 for a, b in zip(exact.words, rounded.words, strict=True))


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_yields_the_same_words_and_fits_no_other_format(format_name, tmp_path):
    path = write_good(tmp_path, format_name)
    assert claimants(read_document(path)) == (format_name,)
    detected, (transcript,) = read_transcripts(path)
    assert (detected, [w.text for w in transcript.words]) == (format_name, [word for word, *_ in WORDS])
    times = [time_s for w in transcript.words for time_s in (w.start_s, w.end_s)]
    assert times == pytest.approx([time_s for _, *times in WORDS for time_s in times], abs=1e-12)
    assert all(w.place for w in transcript.words)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_change_nothing(format_name, encoding, tmp_path):
    path = write_good(tmp_path, format_name)
    expected = read_transcripts(path)
    path.write_bytes(GOOD[format_name].encode(encoding))
    assert read_transcripts(path) == expected


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_packed_file_is_unpacked(format_name, tmp_path):
    path = write_good(tmp_path, format_name)
    expected = read_transcripts(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_transcripts(path) == expected


AMBIGUOUS = {
    "an empty result": ({"text": "", "segments": [], "language": "en"}, "openai-whisper or whisper-timestamped"),
    "no segments in a table": ({"segments": []}, "faster-whisper or whisperx"),
    "an empty list": ([], "faster-whisper or lhotse"),
    "words without a confidence": (
        {"segments": [{"text": "a", "start": 0, "end": 1, "words": [{"word": "a", "start": 0, "end": 1}]}]},
        "faster-whisper or whisperx",
    ),
}


@pytest.mark.parametrize(("content", "names"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_file_that_fits_several_formats_is_refused_with_their_names_unless_one_is_chosen(content, names, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    first = names.split(" or ")[0]
    with pytest.raises(InputError, match=rf"a\.json: may be {names}; name its format with --format {first}"):
        read_transcripts(path)
    assert read_transcripts(path, first)[0] == first


def test_a_file_that_fits_no_format_is_refused_with_the_known_formats(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"monologues": [{"elements": [{"ts": 0.1, "end_ts": 0.3, "value": "one"}]}]}')
    with pytest.raises(InputError, match=r"a\.json: has no known format; .*known: textgrid, ctm, srt"):
        read_transcripts(path)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--format praat: there is no such format; known: textgrid, ctm"):
        read_transcripts(write_good(tmp_path, "ctm"), "praat")


def test_segments_in_place_of_words_are_refused_with_the_call_that_writes_words(tmp_path):
    with pytest.raises(InputError, match=r'chunk 1: is not one word but 7 words; .*return_timestamps="word"'):
        read_transcripts(HYPOTHESES / "transformers-segments.json")
    segment = {"id": 0, "start": 0.0, "end": 1.0, "text": " one two"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"text": " one two", "segments": [segment]}))
    with pytest.raises(InputError, match=r"segment 1: has no list of words; transcribe with word_timestamps=True"):
        read_transcripts(path, "openai-whisper")
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\none two\n")
    with pytest.raises(InputError, match=r"cue 1, line 2: holds 2 words without times for each"):
        read_transcripts(tmp_path / "a.srt")


def test_recordings_of_a_pipeline_without_names_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([JSON_GOOD["transformers"]] * 2))
    with pytest.raises(InputError, match=r"holds 2 recordings without names; write one file per recording"):
        read_transcripts(path)


def test_the_open_end_of_a_pipelines_last_word_is_no_time(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"text": "one", "chunks": [{"text": " one", "timestamp": [0.1, None]}]}))
    (word,) = read_transcripts(path)[1][0].words
    assert (word.start_s, word.end_s, word.timed) == (0.1, None, False)


# Subtitles


def words_of(text: str, suffix: str, tmp_path) -> list[tuple[str, float | None, float | None]]:
    path = tmp_path / f"a{suffix}"
    path.write_text(text, encoding="utf-8")
    return [(w.text, w.start_s, w.end_s) for w in read_transcripts(path)[1][0].words]


def test_silence_between_highlights_is_skipped_and_a_word_never_highlighted_has_no_times(tmp_path):
    text = (
        "1\n00:00:00,000 --> 00:00:00,100\n[SPEAKER_01]: so 2 far\n\n"
        "2\n00:00:00,100 --> 00:00:00,400\n[SPEAKER_01]: <u>so</u> 2 far\n\n"
        "3\n00:00:00,400 --> 00:00:00,500\n[SPEAKER_01]: so 2 far\n\n"
        "4\n00:00:00,500 --> 00:00:00,900\n[SPEAKER_01]: so 2 <u>far</u>\n"
    )
    assert words_of(text, ".srt", tmp_path) == [("so", 0.1, 0.4), ("2", None, None), ("far", 0.5, 0.9)]


def test_a_repeated_line_is_read_twice(tmp_path):
    line = "{i}\n00:00:0{i},000 --> 00:00:0{i},500\n{text}\n\n"
    texts = ["<u>thank</u> you.", "thank <u>you.</u>"] * 2
    text = "".join(line.format(i=i, text=text) for i, text in enumerate(texts, 1))
    assert words_of(text, ".srt", tmp_path) == [
        ("thank", 1.0, 1.5), ("you.", 2.0, 2.5), ("thank", 3.0, 3.5), ("you.", 4.0, 4.5),
    ]  # fmt: skip


def test_a_mark_without_text_is_silence_and_escapes_are_characters(tmp_path):
    text = (
        "WEBVTT - title\n\nSTYLE\n::cue { color: lime }\n\nNOTE\nnothing --\n\n"
        "intro\n00:01.000 --> 00:03.000 align:start\n"
        "<v Anna><c.loud>rock</c><00:01.500> <00:01.750>R&amp;B<00:02.000> roll\n"
    )
    assert words_of(text, ".vtt", tmp_path) == [("rock", 1.0, 1.5), ("R&B", 1.75, 2.0), ("roll", 2.0, 3.0)]


def test_punctuation_after_a_space_belongs_to_the_word_before_it(tmp_path):
    text = "1\n00:00:00,100 --> 00:00:00,400\nbien ?\n\n2\n01:00:00,100 --> 01:00:00,400\n<i>« oui »</i>\n"
    assert words_of(text, ".srt", tmp_path) == [("bien ?", 0.1, 0.4), ("« oui »", 3600.1, 3600.4)]


# CTM and TextGrid


def test_names_include_the_channel_only_if_there_are_several(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text("call A 0.1 0.2 yes\ncall B 0.2 0.2 no\nother 1 0 1 so\n")
    assert [(t.id, [w.text for w in t.words]) for t in read_transcripts(path)[1]] == [
        ("call.A", ["yes"]), ("call.B", ["no"]), ("other", ["so"]),
    ]  # fmt: skip


def test_labels_of_silence_are_no_words(tmp_path):
    """``sil`` is silence, as in references; ``silly`` is a word."""
    ctm, grid = tmp_path / "a.ctm", tmp_path / "a.TextGrid"
    ctm.write_text("a 1 0 0.1 <eps>\na 1 0.1 0.3 silly\na 1 0.4 0.1 SIL\n")
    grid.write_text(GOOD["textgrid"].replace('"one"', '"sil"').replace('"two"', '"silly"'))
    for path in (ctm, grid):
        assert [word.text for word in read_transcripts(path)[1][0].words] == ["silly"]


def test_a_no_break_space_belongs_to_its_word(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text("a 1 0.1 0.2 bien\u00a0?\n", encoding="utf-8")
    assert read_transcripts(path)[1][0].words[0].text == "bien\u00a0?"


def test_a_last_line_without_a_line_break_is_warned_about(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text("a 1 0.1 0.2 o")
    with pytest.warns(InputWarning, match=r"a\.ctm: the last line has no line break"):
        read_transcripts(path)


def test_words_of_no_length_are_read_back_from_the_points_that_we_write(tmp_path):
    words = [Word("a", 0.2, 0.5), Word("um", 0.5, 0.5), Word("b", 0.5, 0.9), Word("c", 0.9, 0.9)]
    write_words(tmp_path / "a.TextGrid", {"words": words}, 1.0)
    (transcript,) = read_transcripts(tmp_path / "a.TextGrid")[1]
    assert [(w.text, w.start_s, w.end_s) for w in transcript.words] == [(w.text, w.start_s, w.end_s) for w in words]
    assert transcript.end_s == 1.0


def test_tier_selects_another_tier_or_kind_of_alignment(tmp_path):
    write_words(tmp_path / "a.TextGrid", {"words": [Word("a", 0.2, 0.5)], "other": [Word("b", 0.2, 0.5)]}, 1.0)
    assert read_transcripts(tmp_path / "a.TextGrid", tier="other")[1][0].words[0].text == "b"
    supervision = {"id": "s", "recording_id": "r", "start": 0, "duration": 1, "text": "b"}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(supervision | {"alignment": {"phone": [["b", 0.1, 0.2]]}}))
    with pytest.raises(InputError, match=r"supervision 1: has no alignment of kind 'word'; name another with --tier"):
        read_transcripts(path)
    assert read_transcripts(path, tier="phone")[1][0].words[0].end_s == pytest.approx(0.3)


def test_an_empty_word_tier_beside_a_tier_with_words_is_an_error_unless_it_was_named(tmp_path):
    """Another tier has the text. A speaker who says nothing has an empty tier, which the user then names."""
    grid = GOOD["textgrid"].replace("<exists>\n1\n", '<exists>\n2\n"IntervalTier"\n"words"\n0\n1\n0\n')
    path = tmp_path / "a.TextGrid"
    path.write_text(grid.replace('"words"\n0\n1\n2', '"text"\n0\n1\n2'))
    with pytest.raises(InputError, match=r"a\.TextGrid: the word tier is empty, and 'text' has text; name the tier"):
        read_transcripts(path)
    assert [w.text for w in read_transcripts(path, tier="text")[1][0].words] == ["one", "two"]
    assert read_transcripts(path, tier="words")[1][0].words == ()
    path.write_text(path.read_text().replace('"one"', '"sil"').replace('"two"', '""'))
    assert read_transcripts(path)[1][0].words == ()


def test_a_word_tier_with_labels_that_are_no_words_is_not_empty(tmp_path):
    """The user may count such labels as words. Pauses alone, as in "sil", are nobody's words."""
    grid = GOOD["textgrid"].replace("<exists>\n1\n", '<exists>\n2\n"IntervalTier"\n"words"\n0\n1\n1\n0\n1\n"spn"\n')
    path = tmp_path / "a.TextGrid"
    path.write_text(grid.replace('"words"\n0\n1\n2', '"phones"\n0\n1\n2'))
    (transcript,) = read_transcripts(path)[1]
    assert (transcript.words, [label.text for label in transcript.dropped]) == ((), ["spn"])
    (transcript,) = read_transcripts(path, labels=label_policy(keep=["spn"]))[1]
    assert [word.text for word in transcript.words] == ["spn"]
    path.write_text(path.read_text().replace('"spn"', '"sil"'))
    with pytest.raises(InputError, match=r"the word tier is empty, and 'phones' has text"):
        read_transcripts(path)


def test_good_files_raise_no_warnings(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format_name in FORMATS:
            read_transcripts(write_good(tmp_path, format_name))


def test_utf_16_without_its_mark_is_refused_for_its_zero_characters(tmp_path):
    path = tmp_path / "a.srt"
    path.write_bytes(GOOD["srt"].encode("utf-16-le"))
    with pytest.raises(InputError, match=r"a\.srt, line 1: holds zero characters"):
        read_transcripts(path)
    path.write_bytes(codecs.BOM_UTF16_LE + b"a")
    with pytest.raises(InputError, match=r"a\.srt: is not UTF-16, as its byte-order mark says"):
        read_transcripts(path)
