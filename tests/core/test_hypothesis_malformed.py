"""Malformed hypothesis files: each is read, or refused with file and place, and nothing in it is executed.

The good file of each format is damaged by hand to check the messages; ``tests/fuzz`` damages it at random. One test
reads a million words, to check that reading takes linear time.
"""

import json
import warnings

import pytest

from align_eval.corpus.word_files import read_word_files
from align_eval.errors import InputError, InputWarning
from align_eval.formats.hypothesis.detect import FORMATS, claimants, read_transcripts
from align_eval.formats.hypothesis.document import read_document
from align_eval.records import HypothesisWord
from tests.helpers.command_line import align_eval, start
from tests.helpers.hypothesis_files import GOOD, JSON_GOOD, SUFFIX, write_good

TEXT_FORMATS = tuple(SUFFIX)
JSON_FORMATS = tuple(JSON_GOOD)


def start_as(format_name: str, value: str) -> str:
    """The good JSON file of a format, with ``value`` as the start of its first word, in seconds."""
    good = GOOD[format_name]
    match format_name:
        case "transformers":
            return good.replace('"timestamp": [0.1', f'"timestamp": [{value}')
        case "lhotse":
            return good.replace('"one", 0.1', f'"one", {value}')
        case "mfa":
            return good.replace("[0.1, ", f"[{value}, ")
        case "vosk" | "gentle":
            return good.replace('"start": 0.1', f'"start": {value}')
        case "whisper.cpp":  # milliseconds
            start = json.loads(value)
            scaled = json.dumps(1000 * start) if isinstance(start, int | float) and start is not True else value
            return good.replace('" one", "offsets": {"from": 100', f'" one", "offsets": {{"from": {scaled}')
        case _:
            return good.replace('"one", "start": 0.1', f'"one", "start": {value}')


PLACE = {
    "transformers": "chunk 1",
    "lhotse": "supervision 1, word 1",
    "mfa": "tier 'words', interval 1",
    "whisper.cpp": "segment 1, token 1",
} | dict.fromkeys(("openai-api", "vosk", "gentle"), "word 1")
"""Place of the first word in the good JSON file of a format; in other formats ``segment 1, word 1``."""

BAD_TYPES = {
    "text": ('"x"', "is 'x', not a number"),
    "truth": ("true", "is True, not a number"),
    "table": ("{}", "is a table in JSON, not a number"),
}


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize(("value", "problem"), BAD_TYPES.values(), ids=BAD_TYPES)
def test_a_start_that_is_no_number_is_refused_with_its_place(format_name, value, problem, tmp_path):
    """A file that has text in place of numbers is malformed: it does not have the format that it seems to have."""
    path = tmp_path / "a.json"
    path.write_text(start_as(format_name, value))
    what = "from" if format_name == "whisper.cpp" else "start"
    with pytest.raises(InputError, match=rf"a\.json, {PLACE.get(format_name, 'segment 1, word 1')}: {what} {problem}"):
        read_transcripts(path)


BAD_TIMES = {
    "NaN": ("NaN", "starts at nan, which is no time"),
    "Infinity": ("Infinity", "ends (0.4 s) before it starts (inf s)"),
    "beyond floats": ("1e999", "ends (0.4 s) before it starts (inf s)"),
    "a huge whole number": ("9" * 400, "ends (0.4 s) before it starts (inf s)"),
    "negative": ("-0.1", "starts at a negative time (-0.1 s)"),
    "reversed": ("0.7", "ends (0.4 s) before it starts (0.7 s)"),
    "eleven days": ("2e6", "ends (0.4 s) before it starts (2e+06 s)"),
}
OF_LHOTSE = {  # a start and a duration: the end moves with the start, and nothing is reversed
    "Infinity": "starts at inf, which is no time",
    "beyond floats": "starts at inf, which is no time",
    "a huge whole number": "starts at inf, which is no time",
    "reversed": "",
    "eleven days": "starts after 1e+06 s (2e+06 s)",
}


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize("case", BAD_TIMES)
def test_a_word_with_impossible_times_is_kept_without_them_and_says_why(format_name, case, tmp_path):
    """One bad word does not take the file with it: the other word has its times."""
    value, problem = BAD_TIMES[case]
    path = tmp_path / "a.json"
    assert start_as(format_name, value) != GOOD[format_name]
    path.write_text(start_as(format_name, value))
    bad, good = read_transcripts(path)[1][0].words
    expected = OF_LHOTSE.get(case, problem) if format_name == "lhotse" else problem
    assert (bad.text, bad.timed, bad.problem) == ("one", expected == "", expected)
    assert bad.place == PLACE.get(format_name, "segment 1, word 1")
    assert (good.text, good.start_s, good.end_s, good.problem) == ("two", 0.5, pytest.approx(0.9), "")


@pytest.mark.parametrize("format_name", [name for name in JSON_FORMATS if name != "mfa"])
def test_a_start_of_null_is_no_time(format_name, tmp_path):
    """JSON has no NaN: JavaScript writes null in its place."""
    path = tmp_path / "a.json"
    path.write_text(start_as(format_name, "null"))
    first, second = read_transcripts(path)[1][0].words
    assert (first.start_s, first.timed, second.timed) == (None, False, True)


KEPT = {
    # format, replaced text, replacement, problem of the first or second word
    "ctm, NaN": ("ctm", " 0.3", " nan", 0, "ends at nan, which is no time"),
    "ctm, negative": ("ctm", " 0.1", " -0.1", 0, "starts at a negative time (-0.1 s)"),
    "ctm, negative duration": ("ctm", " 0.3", " -0.3", 0, "ends (-0.2 s) before it starts (0.1 s)"),
    "ctm, digits beyond floats": ("ctm", " 0.1", " " + "9" * 400, 0, "starts at inf, which is no time"),
    "srt, years": ("srt", "00:00:00,900", "999999:00:00,900", 1, "ends after 1e+06 s (3.6e+09 s)"),
    "srt, reversed": ("srt", "00:00:00,500", "00:00:01,500", 1, "ends (0.9 s) before it starts (1.5 s)"),
    "vtt, mark after the end": ("webvtt", "<00:00.500>", "<00:02.500>", 1, "ends (0.9 s) before it starts (2.5 s)"),
    "textgrid, NaN": ("textgrid", "0.4", "nan", 0, "ends at nan, which is no time"),
    "textgrid, infinite": ("textgrid", "0.4", "1e999", 0, "ends at inf, which is no time"),
    "textgrid, undefined": ("textgrid", "0.5\n", "--undefined--\n", 1, "starts at nan, which is no time"),
    "textgrid, negative": ("textgrid", "0.1", "-0.1", 0, "starts at a negative time (-0.1 s)"),
    "textgrid, reversed": ("textgrid", "0.5\n0.9", "0.9\n0.5", 1, "ends (0.5 s) before it starts (0.9 s)"),
    "textgrid, of no length": ("textgrid", "0.5\n0.9", "0.5\n0.5", 1, ""),
    "textgrid, over its neighbour": ("textgrid", "0.5\n0.9", "0.2\n0.9", 1, ""),
}


@pytest.mark.parametrize(("format_name", "old", "new", "which", "problem"), KEPT.values(), ids=KEPT)
def test_a_bad_word_of_a_text_file_is_kept_with_the_others(format_name, old, new, which, problem, tmp_path):
    path = write_good(tmp_path, format_name)
    assert old in GOOD[format_name]
    path.write_text(GOOD[format_name].replace(old, new, 1))
    words = read_transcripts(path)[1][0].words
    assert [w.text for w in words] == ["one", "two"]
    assert [w.problem for w in words] == ["", problem] if which else [problem, ""]
    assert [w.timed for w in words] == [not w.problem for w in words]


def test_a_confidence_that_is_not_finite_is_none(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(GOOD["faster-whisper"].replace('"probability": 0.5', '"probability": NaN', 1))
    words = read_transcripts(path)[1][0].words
    assert [(w.start_s, w.confidence) for w in words] == [(0.1, None), (0.5, 0.5)]


BAD_WORDS = {
    "script": ("<script>alert(1)</script>", "'<script>alert\\(1\\)</script>' holds markup"),
    "script of a file": ("<script src=x></script>", "holds markup"),
    "script left open": ("<script>alert(1)", "holds markup"),
    "image and text": ("<img src=x onerror=alert(1)>one", "holds markup"),
    "bold": ("<b>one</b>", "holds markup"),
    "escape of a terminal": ("one\x1b[2J", r"'one\\x1b\[2J' holds a control character"),
    "zero": ("o\x00e", r"'o\\x00e' holds a control character"),
    "half a surrogate pair": ("\ud800", r"'\\ud800' holds half a surrogate pair"),
}


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize(("word", "problem"), BAD_WORDS.values(), ids=BAD_WORDS)
def test_an_unprintable_or_marked_up_word_is_refused_with_its_place(format_name, word, problem, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(GOOD[format_name].replace('"one"', json.dumps(word)).replace('" one"', json.dumps(word)))
    with pytest.raises(InputError, match=rf"a\.json, (?:\w+ 1|tier 'words').*: .*{problem}"):
        read_transcripts(path)


@pytest.mark.parametrize("format_name", [name for name in JSON_FORMATS if name != "mfa"])  # read as a TextGrid is
@pytest.mark.parametrize("label", ["<unk>", "<eps>", "</s>", "<x y=1>", "[*]", "a<b", "<script>"])
def test_a_label_in_brackets_is_no_markup_and_no_word(format_name, label, tmp_path):
    """Whatever stands in the brackets: a label is dropped and counted. Markup is a word between tags."""
    path = tmp_path / "a.json"
    path.write_text(GOOD[format_name].replace('"one"', json.dumps(label)).replace('" one"', json.dumps(label)))
    (transcript,) = read_transcripts(path)[1]
    words, dropped = ([word.text for word in side] for side in (transcript.words, transcript.dropped))
    assert (words, dropped) == ((["a<b", "two"], []) if label == "a<b" else (["two"], [label]))


@pytest.mark.parametrize("format_name", ["textgrid", "ctm"])
@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "<img/src=x>one"])
def test_markup_in_a_textgrid_or_ctm_is_refused(format_name, word, tmp_path):
    path = write_good(tmp_path, format_name)
    path.write_text(GOOD[format_name].replace("one", word))
    with pytest.raises(InputError, match=r"a\.(?:TextGrid|ctm), (?:tier 'words', interval 1|line 2): .*holds markup"):
        read_transcripts(path)


BAD_LINES = {
    # format, replaced text, replacement, message
    "ctm, fields": ("ctm", " one 0.5", "", r"a\.ctm, line 2: has 4 fields \('a 1 0\.1 0\.3'\)"),
    "ctm, number": ("ctm", "0.1", "0,1", r"a\.ctm, line 2: start is '0,1', not a number"),
    "ctm, underscore": ("ctm", " 0.1", " 1_0", r"a\.ctm, line 2: start is '1_0', not a number"),
    "ctm, confidence": ("ctm", " 0.5\n", " high\n", r"a\.ctm, line 2: confidence is 'high', not a number"),
    "ctm, alternatives": ("ctm", "one", "<ALT_BEGIN>", r"a\.ctm, line 2: marks alternatives"),
    "srt, no times": ("srt", "00:00:00,100 --> 00:00:00,400\n", "", r"a\.srt, cue 1, line 2: has no times \('one'\)"),
    "srt, half a time": ("srt", "00:00:00,900", "00:00:0", r"a\.srt, cue 2, line 6: '00:00:0' is not a time"),
    "srt, minutes": ("srt", "00:00:00,500", "00:61:00,500", r"a\.srt, cue 2, line 6: '00:61:00,500' is not a time"),
    "srt, NaN": ("srt", "00:00:00,500", "NaN", r"a\.srt, cue 2, line 6: 'NaN' is not a time"),
    "srt, script": ("srt", "one", "<script>alert(1)</script>", r"a\.srt, cue 1, line 2: has the tag <script>"),
    "srt, two highlights": ("srt", "one", "<u>a</u> b <u>c</u>", r"a\.srt, cue 1, line 2: highlights two places"),
    "vtt, escaped script": ("webvtt", "one", "&lt;script&gt;x&lt;/script&gt;", r"a\.vtt, cue 1, line 5.*holds markup"),
    "vtt, mark": ("webvtt", "<00:00.400>", "<00:70.400>", r"a\.vtt, cue 1, line 5: '00:70\.400' is not a time"),
    "vtt, half a tag": ("webvtt", "<00:00.500>two\n", "<00:0", r"a\.vtt, cue 1, line 5: a tag is opened"),
    "textgrid, count": ("textgrid", "1\n2\n", "1\n3\n", r"a\.TextGrid, tier 'words', interval 3, .*the file ends"),
}  # fmt: skip


@pytest.mark.parametrize(("format_name", "old", "new", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_damaged_text_file_is_refused_with_its_line(format_name, old, new, message, tmp_path):
    path = write_good(tmp_path, format_name)
    assert old in GOOD[format_name]
    path.write_text(GOOD[format_name].replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_transcripts(path, format_name)


BAD_JSON = {
    "cut short": ('{"text": "a", "segm', r"a\.json, column \d+: is not JSON \(.*\); the file may be cut short"),
    "cut short on a later line": ('{"text": "a",\n"segm', r"a\.json, line 2, column 1: is not JSON"),
    "nested": ("[" * 200_000, r"a\.json: is JSON nested too deeply"),
    "nested tables": ('{"segments":' * 200_000, r"a\.json: is JSON nested too deeply"),
    "thousands of digits": ('{"segments": ' + "9" * 5000 + "}", r"a\.json: holds a number of thousands of digits"),
    "a key twice": ('{"segments": [], "segments": []}', r"a\.json: key 'segments' occurs twice in one table"),
    "a line cut short": ('{"recording_id": "a"}\n{"recording_id"\n', r"a\.json, line 2, column \d+: is not JSON"),
    "a bad line": ('{"recording_id": "a"}\n{"recording_id"}\n', r"a\.json, line 2, column \d+: is not JSON"),
    "empty": (" \n", r"a\.json: the file is empty"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_JSON.values(), ids=BAD_JSON)
def test_invalid_json_is_refused(text, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_transcripts(path)


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name not in ("textgrid", "whisper.cpp")])
def test_a_file_in_another_encoding_is_refused_with_its_line(format_name, tmp_path):
    path = write_good(tmp_path, format_name)
    path.write_bytes(GOOD[format_name].replace("one", "naïve").encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.\w+, line \d+: is not UTF-8 \(byte \d+\); save it as UTF-8"):
        read_transcripts(path)


def test_a_file_of_whisper_cpp_in_another_encoding_is_refused_with_its_token(tmp_path):
    """Parts of characters are expected there, so that the word is refused, not the byte."""
    path = tmp_path / "a.json"
    path.write_bytes(GOOD["whisper.cpp"].replace('" one"', '" naïve"').encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.json, segment 1, token 1: .*half a surrogate pair; write it as UTF-8"):
        read_transcripts(path)


@pytest.mark.parametrize("format_name", JSON_FORMATS)
def test_json_cut_short_at_any_character_is_refused(format_name, tmp_path):
    path = tmp_path / "a.json"
    for n in range(len(GOOD[format_name])):
        path.write_text(GOOD[format_name][:n])
        with pytest.raises(InputError, match=r"a\.json"):
            read_transcripts(path, format_name)


def test_gzip_cut_short_is_refused(tmp_path):
    import gzip

    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(GOOD["lhotse"].encode())
    for n in range(2, len(packed)):
        path.write_bytes(packed[:n])
        with pytest.raises(InputError, match=r"a\.jsonl\.gz: is damaged gzip"):
            read_transcripts(path)


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    import gzip

    monkeypatch.setattr("align_eval.formats.hypothesis.document.MAX_BYTES", 1000)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 1001))
    with pytest.raises(InputError, match=r"is longer than 1000 bytes"):
        read_transcripts(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "a/../b", "a//b", "", "a\\b", "a\nb", "./a"])
def test_a_recording_name_that_is_no_file_name_is_refused(name, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(GOOD["lhotse"].replace('"recording_id": "a"', f'"recording_id": {json.dumps(name)}'))
    with pytest.raises(InputError, match=r"a\.json, supervision 1, word 1: the name .* cannot name a file"):
        read_word_files(path)


def test_a_bad_recording_name_is_the_failure_of_this_recording_alone(tmp_path):
    """A name is checked where it is paired, so that the other recordings of the file are scored."""
    for path in (tmp_path / "a.ctm", tmp_path):
        (tmp_path / "a.ctm").write_text("../a 1 0.1 0.3 one\nb\u00a0\u3000c 1 0.1 0.3 two\n")
        files = read_word_files(path)
        assert list(files.transcripts) == ["b\u00a0\u3000c"]  # both blanks may stand in a file name
        assert [(f.id, f.message) for f in files.failures] == [
            (
                "../a",
                f"{tmp_path / 'a.ctm'}, line 1: the name '../a' cannot name a file; use letters, digits, - _ . and /",
            )
        ]


def parses_or_is_refused(path, format_name):
    """Read the file and check its words, or the place of its :class:`InputError`. Any other error fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            _, transcripts = read_transcripts(path, format_name)
    except InputError as error:
        assert path.name in error.place  # noqa: PT017 (raising is allowed here, not required)
        return
    for transcript in transcripts:
        for word in transcript.words:
            assert isinstance(word, HypothesisWord)
            assert word.text == word.text.strip() != ""
            assert word.text.encode()
            times = [t for t in (word.start_s, word.end_s) if t is not None]
            assert all(0 <= t <= 2e6 for t in times)
            assert times == sorted(times)


def test_nothing_in_a_file_is_executed(tmp_path):
    """Code of Python, a shell or YAML in words and numbers is read as a word, or refused."""
    mark = tmp_path / "ran"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    for format_name in JSON_FORMATS:
        for text in (code, f"$(touch {mark})", f"!!python/object/apply:os.system ['touch {mark}']"):
            path = tmp_path / "a.json"
            path.write_text(GOOD[format_name].replace('"one"', json.dumps(text)))
            parses_or_is_refused(path, format_name)
        path.write_text(start_as(format_name, json.dumps(code)))
        parses_or_is_refused(path, format_name)
    assert not mark.exists()


# Size


def many_words(format_name: str, n: int) -> str:
    """A good file with ``n`` words of 0.25 s that start 0.3 s apart."""
    starts = [i * 0.3 for i in range(n)]
    if format_name == "ctm":
        return "".join(f"a 1 {s:.2f} 0.25 w\n" for s in starts)
    if format_name == "webvtt":
        marks = "".join(f"<{int(s // 3600):02d}:{int(s // 60) % 60:02d}:{s % 60:06.3f}>w" for s in starts)
        end_s = round(n * 0.3)
        end = f"{end_s // 3600:02d}:{end_s // 60 % 60:02d}:{end_s % 60:02d}.000"
        return f"WEBVTT\n\n00:00:00.000 --> {end}\n{marks}\n"
    words = ", ".join(f'{{"word": " w", "start": {s:.2f}, "end": {s + 0.25:.2f}, "probability": 0.5}}' for s in starts)
    return f'{{"text": "", "segments": [{{"text": "w", "words": [{words}]}}], "language": "en"}}'


@pytest.mark.parametrize("n", [60_000, pytest.param(10**6, marks=pytest.mark.validate)])
@pytest.mark.parametrize("format_name", ["ctm", "webvtt", "openai-whisper"])
def test_a_million_words_are_read_and_linted_and_too_many_to_pair(format_name, n, tmp_path):
    """Reading and linting succeed and scoring refuses to pair.

    The full size, which `make validate` runs with a time limit of minutes, checks linear time: quadratic work on a
    million words would take hours. The smaller size runs without a limit.
    """
    path = tmp_path / f"a{SUFFIX.get(format_name, '.json')}"
    path.write_text(many_words(format_name, n))
    write_good(tmp_path, "textgrid", "reference")
    for arguments, code, message in (
        (["lint", str(path)], 0, f"lint: {n} words, nothing found"),
        (["score", str(tmp_path / "reference.TextGrid"), str(path)], 2, f"has {n} words of one recording"),
    ):
        done = start("-m", "align_eval", *arguments, timeout=550) if n == 10**6 else align_eval(*arguments)
        assert (done.returncode, message in done.stdout + done.stderr) == (code, True), done.stderr


def test_a_wrong_suffix_does_not_change_the_detected_format(tmp_path):
    for format_name in FORMATS:
        path = tmp_path / "a.txt"
        path.write_text(GOOD[format_name])
        assert claimants(read_document(path)) == (format_name,)
