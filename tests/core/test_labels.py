"""Labels and pieces of words, as systems write them: one label over several words, marks behind it, marks alone."""

import json

import pytest

from align_eval.errors import InputError
from align_eval.formats.hypothesis.detect import read_transcripts
from align_eval.records import Transcript
from align_eval.score_files import score_hypothesis
from align_eval.text import label_kind, label_policy
from tests.core.test_score_files import value

Labels = list[tuple[str, float | None, float | None]]


def read(text: str, name: str, folder, **policy: list[str]) -> Transcript:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_transcripts(path, labels=label_policy(**policy))[1][0]


def times(labels) -> Labels:
    return [(label.text, label.start_s, label.end_s) for label in labels]


def ctm(*words: str, fields: str = "") -> str:
    return "".join(f"a 1 {i} 1 {word}{fields}\n" for i, word in enumerate(words))


def openai(*words: str, language: str = "en") -> str:
    """Words of one second each."""
    entries = [{"word": word, "start": i, "end": i + 1, "probability": 0.5} for i, word in enumerate(words)]
    return json.dumps({"text": "", "segments": [{"text": "", "words": entries}], "language": language})


def srt(*texts: str) -> str:
    return "\n\n".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i + 1},000\n{text}" for i, text in enumerate(texts))


def webvtt(*texts: str) -> str:
    cues = [f"00:0{i}.000 --> 00:0{i + 1}.000\n{text}" for i, text in enumerate(texts)]
    return "WEBVTT\n\n" + "\n\n".join(cues)


@pytest.mark.parametrize("label", ["</s>", "<x y=1>", "<unk>", "[Music].", "[noise],", "<laugh>.", "<unk>!", "[x]…"])
@pytest.mark.parametrize(("write", "name"), [(ctm, "a.ctm"), (openai, "a.json")])
def test_a_label_in_brackets_is_no_markup(write, name, label, tmp_path):
    transcript = read(write("so", label.replace(" ", "_"), "far"), name, tmp_path)
    assert times(transcript.words) == [("so", 0.0, 1.0), ("far", 2.0, 3.0)]
    assert len(transcript.dropped) == 1


def test_markup_around_a_word_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"line 2: '<b>so</b>' holds markup"):
        read(ctm("so", "<b>so</b>"), "a.ctm", tmp_path)


CUES = ["[door slams]", "((unclear words))", "[MUSIC PLAYING].", "<laugh>", "<unk>", "<eps>", "<laugh>."]


@pytest.mark.parametrize("label", CUES)
@pytest.mark.parametrize(("write", "name"), [(srt, "a.srt"), (webvtt, "a.vtt")])
def test_a_cue_of_one_label_is_that_label_with_the_times_of_the_cue(write, name, label, tmp_path):
    transcript = read(write("so", label, "far"), name, tmp_path)
    assert times(transcript.words) == [("so", 0.0, 1.0), ("far", 2.0, 3.0)]
    assert times(transcript.dropped) == [(label, 1.0, 2.0)]


@pytest.mark.parametrize("tags", ["<b></b>", "<i>", '<font color="red">', "<c.loud>", "<00:01.500>"])
def test_tags_of_formatting_without_text_are_no_labels(tags, tmp_path):
    transcript = read(webvtt("so", tags), "a.vtt", tmp_path)
    assert (times(transcript.words), transcript.dropped) == ([("so", 0.0, 1.0)], ())


def test_a_label_between_highlighted_lines_has_the_times_of_its_cue(tmp_path):
    cues = ("<u>so</u> far", "so <u>far</u>", "[door slams]", "<u>[door slams]</u> so", "[door\nslams] <u>so</u>")
    transcript = read(webvtt(*cues), "a.vtt", tmp_path)
    assert times(transcript.words) == [("so", 0.0, 1.0), ("far", 1.0, 2.0), ("so", 4.0, 5.0)]
    assert times(transcript.dropped) == [("[door slams]", 2.0, 3.0), ("[door slams]", 3.0, 4.0)]


DIVIDED = {
    # the words of a file, and the labels that are no words
    ("[door", "slams]"): [("[door slams]", 0.0, 2.0)],
    ("[door", "slams].", "so"): [("[door slams].", 0.0, 2.0)],
    ("<laugh", ">"): [("<laugh>", 0.0, 2.0)],
    ("{", "cough", "}"): [("{cough}", 0.0, 3.0)],
    ("((not", "a", "word))"): [("((not a word))", 0.0, 3.0)],
    ("[door", "slams"): [],
    ("[so", "[far]"): [("[far]", 1.0, 2.0)],
    ("[well]known", "so]"): [],
    ("(um", "well)"): [],
    ("[", *"abcdefghijk", "]"): [],  # 13 words
}


@pytest.mark.parametrize(("words", "dropped"), DIVIDED.items())
def test_a_label_over_several_words_is_one_label(words, dropped, tmp_path):
    transcript = read(ctm(*words), "a.ctm", tmp_path)
    assert times(transcript.dropped) == [*dropped, *(("[", 0.0, 1.0), ("]", 12.0, 13.0))[: 2 * (len(words) == 13)]]
    assert label_kind("".join(word for word, *_ in dropped)) != "word"


def test_a_divided_label_is_a_word_where_it_is_kept(tmp_path):
    transcript = read(ctm("[door", "slams]"), "a.ctm", tmp_path, keep=["[door slams]"])
    assert times(transcript.words) == [("[door slams]", 0.0, 2.0)]


COMBINING = {
    "Thai": ("th", ["ท", "ี่", "น", "ี้"], [("ที่", 0.0, 2.0), ("นี้", 2.0, 4.0)]),
    "Myanmar": ("my", ["က", "ို", "ယ", "်"], [("ကို", 0.0, 2.0), ("ယ်", 2.0, 4.0)]),
    "halfwidth Japanese": ("ja", ["ｶ", "ﾞ", "ﾊ", "ﾟ"], [("ｶﾞ", 0.0, 2.0), ("ﾊﾟ", 2.0, 4.0)]),
    "Japanese": ("ja", ["か", "\u3099", "さ"], [("が", 0.0, 2.0), ("さ", 2.0, 3.0)]),
}


@pytest.mark.parametrize(("language", "pieces", "words"), COMBINING.values(), ids=COMBINING)
def test_a_combining_mark_alone_belongs_to_the_word_before_it(language, pieces, words, tmp_path):
    """openai-whisper splits these languages at code points, so that a mark becomes a word of its own."""
    transcript = read(openai(*pieces, language=language), "a.json", tmp_path)
    assert (times(transcript.words), transcript.dropped) == (words, ())


TOUCHING = {
    # words of openai-whisper, of one second each, and the words with their starts
    "per cent": ([" 20", "%", " of", " 5", "%,"], [("20%", 0.0), ("of", 2.0), ("5%,", 3.0)]),
    "currency": ([" $", "5", " or", " £", "5", "."], [("$5", 1.0), ("or", 2.0), ("£5.", 4.0)]),
    "a number sign, which alone is a label of silence": ([" #", "1", " #"], [("#1", 1.0)]),
    "a mark between letters": ([" AT", "&", "T"], [("AT&", 0.0), ("T", 2.0)]),
    "a part of a word": ([" old", "-sposed"], [("old", 0.0), ("-sposed", 1.0)]),
    "marks with a space": ([" so", " -", " far", " ..."], [("so", 0.0), ("far", 2.0)]),
    "no word has a space": (["20", "%", "of"], [("20", 0.0), ("of", 2.0)]),
}


@pytest.mark.parametrize(("written", "words"), TOUCHING.values(), ids=TOUCHING)
def test_a_mark_that_touches_a_word_is_part_of_its_text_and_not_of_its_times(written, words, tmp_path):
    transcript = read(openai(*written), "a.json", tmp_path)
    assert times(transcript.words) == [(text, start_s, start_s + 1) for text, start_s in words]


def test_a_divided_label_of_tokens_lasts_to_its_bracket(tmp_path):
    transcript = read(openai(" so", " [door", " slams", "].", " <laugh", ">"), "a.json", tmp_path)
    assert times(transcript.dropped) == [("[door slams].", 1.0, 4.0), ("<laugh>", 4.0, 6.0)]


def test_a_label_that_is_kept_is_a_word_whatever_its_type_says(tmp_path):
    lines = ctm("[um]", "[um],", "so", fields=" 0.5 non-lex")
    transcript = read(lines, "a.ctm", tmp_path, keep=["[um]"])
    assert [w.text for w in transcript.words] == ["[um]", "[um],"]
    assert [w.text for w in transcript.dropped] == ["so"]


def test_labels_of_the_user_are_compared_without_punctuation_at_their_ends(tmp_path):
    transcript = read(ctm("Uh,", "“uh”", "uh-huh", "um", "noise", "!sil"), "a.ctm", tmp_path, drop=["uh", "[noise]"])
    assert [w.text for w in transcript.words] == ["uh-huh", "um", "noise"]
    assert read(ctm("sil", "!sil"), "a.ctm", tmp_path, keep=["!sil"]).words[0].text == "!sil"


def whisper_cpp(*segments: list[str], language: str = "en") -> str:
    """Tokens of one second each. whisper.cpp writes offsets in milliseconds."""
    entries, at_ms = [], 0
    for texts in segments:
        tokens = [
            {"text": text, "offsets": {"from": at_ms + 1000 * i, "to": at_ms + 1000 * (i + 1)}, "p": 0.5}
            for i, text in enumerate(texts)
        ]
        entries.append({"text": "".join(texts), "tokens": tokens})
        at_ms += 1000 * len(texts)
    return json.dumps({"result": {"language": language}, "transcription": entries})


DIVIDED_BY_SEGMENTS = {
    "a word": (
        [[" Hello", " wor"], ["ld", ","], [" I", " see"]],
        [("Hello", 0.0, 1.0), ("world,", 1.0, 4.0), ("I", 4.0, 5.0), ("see", 5.0, 6.0)],
    ),
    "a word and more after it": (
        [[" so", " fa"], ["r", " it"]],
        [("so", 0.0, 1.0), ("far", 1.0, 3.0), ("it", 3.0, 4.0)],
    ),
    "a contraction": ([[" so", " it"], ["'s"]], [("so", 0.0, 1.0), ("it's", 1.0, 3.0)]),
    "no spaces before segments": ([["so", " far"], ["yes"]], [("so", 0.0, 1.0), ("far", 1.0, 2.0), ("yes", 2.0, 3.0)]),
    "a label": ([[" so", " far"], ["[Music]"]], [("so", 0.0, 1.0), ("far", 1.0, 2.0)]),
    "a turn": ([[" so", " far"], ["-", " yes"]], [("so", 0.0, 1.0), ("far", 1.0, 2.0), ("yes", 3.0, 4.0)]),
}


@pytest.mark.parametrize(("segments", "words"), DIVIDED_BY_SEGMENTS.values(), ids=DIVIDED_BY_SEGMENTS)
def test_a_segment_of_whisper_cpp_without_a_space_continues_the_word_before_it(segments, words, tmp_path):
    """``--max-len`` without ``--split-on-word`` ends a segment at any token."""
    assert times(read(whisper_cpp(*segments), "a.json", tmp_path).words) == words


def test_a_segment_begins_a_word_in_a_language_without_spaces(tmp_path):
    written = whisper_cpp([" 我", "们"], ["去"], ["GP", "T"], language="zh")
    assert [w.text for w in read(written, "a.json", tmp_path).words] == ["我", "们", "去", "GP", "T"]


PAIRED = {
    # reference words, hypothesis words and language: all words are the same
    "Thai in pieces": (["ท", "ี่", "น", "ี้"], ["ท", "ี่", "น", "ี้"], "th"),
    "a number and its mark": ([" 20%", " of"], [" 20", "%", " of"], "en"),
    "a number in words": ([" twenty", " percent", " of"], [" 20", "%", " of"], "en"),
    "a currency": ([" five", " dollars"], [" $", "5"], "en"),
}


@pytest.mark.parametrize(("reference", "hypothesis", "language"), PAIRED.values(), ids=PAIRED)
def test_words_in_pieces_lose_nothing(reference, hypothesis, language, tmp_path):
    (tmp_path / "r.json").write_text(openai(*reference, language=language), encoding="utf-8")
    (tmp_path / "h.json").write_text(openai(*hypothesis, language=language), encoding="utf-8")
    rows = score_hypothesis(tmp_path / "r.json", tmp_path / "h.json").run.rows
    assert [value(rows, name) for name in ("coverage", "substituted", "deleted", "inserted")] == [1, 0, 0, 0]
