"""JSON of words in the layouts of OpenAI's web API, faster-whisper's lines, whisper.cpp, MFA, Vosk and Gentle."""

import json
from pathlib import Path

import pytest

from align_eval.corpus.word_files import read_word_files
from align_eval.errors import InputError
from align_eval.formats.hypothesis.detect import FORMATS, read_transcripts
from tests.helpers.command_line import align_eval
from tests.helpers.hypothesis_files import JSON_GOOD, WORDS

Words = list[tuple[str, float | None, float | None]]


def read(content: object, folder: Path, tier: str | None = None) -> tuple[str, Words]:
    """Format and words of a file with this JSON, or with these bytes."""
    path = folder / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
    format_name, (transcript,) = read_transcripts(path, tier=tier)
    return format_name, [(w.text, w.start_s, w.end_s) for w in transcript.words]


def lines(*entries: object) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


API = JSON_GOOD["openai-api"]
SEGMENT = {"id": 0, "seek": 0, "start": 0.1, "end": 0.9, "text": " one two", "tokens": [1], "no_speech_prob": 0.1}
FASTER = JSON_GOOD["faster-whisper"][0]
VOSK = JSON_GOOD["vosk"]

SAME = {
    "the web API": ("openai-api", API),
    "with segments without words": ("openai-api", API | {"segments": [SEGMENT]}),
    "with segments whose words are null": ("openai-api", API | {"segments": [SEGMENT | {"words": None}]}),
    "with no segments, and a key of Groq": ("openai-api", API | {"segments": [], "x_groq": {"id": "req_1"}}),
    "text and words alone": ("openai-api", {key: API[key] for key in ("text", "words")}),
    "segments with words in a table of the API": (
        "openai-whisper",
        {"task": "transcribe", "duration": 1, "text": "one two", "segments": [FASTER]},
    ),
    "a segment per line": (
        "faster-whisper",
        lines(FASTER | {"words": FASTER["words"][:1]}, FASTER | {"words": FASTER["words"][1:]}),
    ),
    "one segment on one line": ("faster-whisper", lines(FASTER)),
    "blank lines between": (
        "faster-whisper",
        b"\r\n\r\n".join(lines(FASTER | {"words": [word]}).strip() for word in FASTER["words"]),
    ),
    "a word per line": ("faster-whisper", lines(*FASTER["words"])),
    "a list of words": ("faster-whisper", FASTER["words"]),
    "a result of Vosk per line": (
        "vosk",
        lines(*({"result": [word], "text": word["word"]} for word in VOSK["result"]), {"text": ""}),
    ),
    "results one after the other, as its example prints them": (
        "vosk",
        "\n".join(json.dumps({"result": [word], "text": word["word"]}, indent=2) for word in VOSK["result"]).encode(),
    ),
    "a list of them": ("vosk", [VOSK, {"text": ""}]),
    "MFA's tiers of one speaker": (
        "mfa",
        {"start": 0, "end": 1, "tiers": {"anna - words": JSON_GOOD["mfa"]["tiers"]["words"]}},
    ),
    "praatio's other form": (
        "mfa",
        {
            "xmin": 0,
            "xmax": 1,
            "tiers": [
                {
                    "class": "IntervalTier",
                    "name": "words",
                    "xmin": 0,
                    "xmax": 1,
                    "entries": JSON_GOOD["mfa"]["tiers"]["words"]["entries"],
                }
            ],
        },
    ),
}


@pytest.mark.parametrize(("format_name", "content"), SAME.values(), ids=SAME)
def test_every_form_that_tools_write_has_the_same_words(format_name, content, tmp_path):
    assert read(content, tmp_path) == (format_name, WORDS)


def test_language_and_untimed_words_are_read(tmp_path):
    read(API, tmp_path)
    assert read_transcripts(tmp_path / "a.json")[1][0].language == "english"
    words = [*JSON_GOOD["gentle"]["words"], {"case": "not-found-in-audio", "word": "three"}]
    assert read({"transcript": "one two three", "words": words}, tmp_path) == (
        "gentle",
        [*WORDS, ("three", None, None)],
    )


def without_words(table: dict) -> dict:
    return {key: value for key, value in table.items() if key != "words"}


OPENAI = r"request response_format=verbose_json with timestamp_granularities\[\]=word"
WITHOUT_WORDS = {
    "the web API": (without_words(API) | {"segments": [SEGMENT]}, OPENAI),
    "null words": (API | {"words": None}, OPENAI),
    "no words in the list": (API | {"words": []}, OPENAI),
    "gpt-4o-transcribe": ({"text": "one two", "usage": {"type": "tokens"}}, OPENAI),
    "text alone": ({"text": "one two"}, OPENAI),
    "with speakers": (without_words(API) | {"segments": [{"type": "transcript.text.segment", "text": "one"}]}, OPENAI),
    "openai-whisper": ({"text": " one two", "segments": [SEGMENT], "language": "en"}, "word_timestamps=True"),
    "faster-whisper or whisperX": (
        {"segments": [SEGMENT], "language": "en"},
        r"word_timestamps=True or give whisperX's output after its alignment",
    ),
    "no segments": ({"text": " one two", "segments": [], "language": "en"}, "word_timestamps=True"),
    "faster-whisper": ([without_words(FASTER)], "word_timestamps=True"),
    "faster-whisper's lines": (lines(*[FASTER | {"words": None}] * 2), "word_timestamps=True"),
    "one line of them": (lines(FASTER | {"words": None}), "word_timestamps=True"),
    "transformers": ({"text": "one", "chunks": []}, 'return_timestamps="word"'),
    "Vosk": ([{"text": "one"}, {"text": ""}], r"call SetWords\(True\)"),
    "Vosk with an empty list": ({"text": "one", "result": []}, r"call SetWords\(True\)"),
    "Gentle": ({"transcript": "one two", "words": []}, "align the transcript again"),
    "whisper.cpp": (
        {"transcription": [{"offsets": {"from": 0, "to": 900}, "text": " one two"}]},
        "--output-json-full, or with --max-len 1 --split-on-word",
    ),
    "Lhotse": (
        [{"id": "s", "recording_id": "r", "start": 0, "duration": 1, "text": "one", "alignment": {"word": []}}],
        "align its words",
    ),
}


@pytest.mark.parametrize(("content", "remedy"), WITHOUT_WORDS.values(), ids=WITHOUT_WORDS)
def test_text_without_words_is_an_error_with_the_option_that_writes_words(content, remedy, tmp_path):
    with pytest.raises(InputError, match=rf"a\.json.*; .*{remedy}"):
        read(content, tmp_path)


def test_the_command_says_so_with_its_exit_code(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(without_words(API)))
    done = align_eval("lint", "a.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a.json: has text but no words; request response_format=verbose_json" in done.stderr


EMPTY = {
    "the web API": ("openai-api", API | {"text": "", "words": [], "segments": []}),
    "whisper.cpp": ("whisper.cpp", {"result": {"language": "en"}, "transcription": []}),
    "Vosk": ("vosk", [{"text": ""}]),
    "transformers": ("transformers", {"text": "", "chunks": []}),
    "MFA": ("mfa", {"start": 0, "end": 1, "tiers": {"words": {"type": "interval", "entries": []}}}),
}


@pytest.mark.parametrize(("format_name", "content"), EMPTY.values(), ids=EMPTY)
def test_no_text_and_no_words_is_an_empty_transcript(format_name, content, tmp_path):
    assert read(content, tmp_path) == (format_name, [])


def test_other_files_of_a_folder_settle_an_empty_result_of_vosk(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(VOSK))
    (tmp_path / "b.json").write_text('{"text": ""}')
    files = read_word_files(tmp_path)
    assert (files.form, {name: len(t.words) for name, t in files.transcripts.items()}) == ("vosk", {"a": 2, "b": 0})


def test_json_read_as_another_format_is_refused(tmp_path):
    """Not as an empty transcript: the file has words, which the named format does not find."""
    for format_name in [name for name in FORMATS if name in JSON_GOOD]:
        (tmp_path / "a.json").write_text('{"monologues": []}')
        with pytest.raises(InputError, match=r"a\.json"):
            read_transcripts(tmp_path / "a.json", format_name)


# MFA


def test_tiers_of_mfa_are_named_as_those_of_textgrids(tmp_path):
    words = JSON_GOOD["mfa"]["tiers"]["words"]
    phones = {"type": "interval", "entries": [[0.1, 0.2, "w"]]}
    one = {"start": 0, "end": 1, "tiers": {"anna - words": words, "anna - phones": phones}}
    assert read(one, tmp_path, "anna - phones") == ("mfa", [("w", 0.1, 0.2)])
    with pytest.raises(InputError, match=r"2 tiers fit as word tier: 'anna - words', 'ben - words'"):
        read({"tiers": {"anna - words": words, "ben - words": words}}, tmp_path)
    assert read({"tiers": {"words": words, "clicks": {"type": "point", "entries": [[0.1, "x"]]}}}, tmp_path)[1] == WORDS
    read(one, tmp_path)
    assert read_transcripts(tmp_path / "a.json")[1][0].end_s == 1


# whisper.cpp


def token(text: str, start_ms: int, end_ms: int) -> dict:
    return {"text": text, "offsets": {"from": start_ms, "to": end_ms}, "id": 1, "p": 0.5, "t_dtw": -1}


def segment(text: str, start_ms: int, end_ms: int, *tokens: dict) -> dict:
    return {"offsets": {"from": start_ms, "to": end_ms}, "text": text} | ({"tokens": tokens} if tokens else {})


def whisper_cpp(*segments: dict, language: str = "en") -> dict:
    return {"systeminfo": "", "model": {}, "params": {}, "result": {"language": language}, "transcription": segments}


BEGIN, END = token("[_BEG_]", 0, 0), token("[_TT_45]", 900, 900)

PIECES = {
    "tokens are pieces of words": (
        whisper_cpp(
            segment(
                " Ameri-cans, so",
                0,
                900,
                BEGIN,
                token(" Ameri", 100, 300),
                token("-cans", 300, 400),
                token(",", 400, 450),
                token(" so", 500, 700),
                END,
            ),
            segment(" far away", 900, 1800, token(" far", 900, 1000), token(" away", 1000, 1800)),
        ),
        [("Ameri-cans,", 0.1, 0.45), ("so", 0.5, 0.7), ("far", 0.9, 1.0), ("away", 1.0, 1.8)],
    ),
    "a segment begins a word": (
        whisper_cpp(
            segment("one two", 0, 900, token("one", 0, 300), token(" two", 300, 900)),
            segment("far", 900, 1000, token("far", 900, 1000)),
        ),
        [("one", 0.0, 0.3), ("two", 0.3, 0.9), ("far", 0.9, 1.0)],
    ),
    "--max-len 1": (
        whisper_cpp(
            segment("", 0, 0),
            segment(" one", 100, 400),
            segment(" tw", 500, 600),
            segment("o", 600, 900),
            segment(".", 900, 900),
        ),
        [("one", 0.1, 0.4), ("two.", 0.5, 0.9)],
    ),
    "--max-len 1 with tokens": (
        whisper_cpp(
            segment("", 0, 0, BEGIN),
            segment(" tw", 500, 600, token(" tw", 500, 600)),
            segment("o", 600, 900, token("o", 600, 900)),
        ),
        [("two", 0.5, 0.9)],
    ),
    "one word per segment, without spaces": (whisper_cpp(segment("one", 100, 400), segment("two", 500, 900)), WORDS),
    "a token without offsets": (
        whisper_cpp(
            segment(
                " one two.",
                0,
                900,
                {"text": "[_BEG_]", "id": 1},
                token(" one", 100, 400),
                token(" two", 500, 900),
                {"text": ".", "id": 1},
            )
        ),
        [("one", 0.1, 0.4), ("two.", 0.5, 0.9)],
    ),
    "no spaces between words": (
        whisper_cpp(segment("今日は", 0, 900, token("今日", 0, 100), token("は", 100, 200)), language="ja"),
        [("今日", 0.0, 0.1), ("は", 0.1, 0.2)],
    ),
    "U+FFFD for parts of a character": (
        whisper_cpp(
            segment(
                " caf\u00e9 au",
                0,
                900,
                token(" caf", 0, 100),
                token("\ufffd", 100, 200),
                token("\ufffd", 200, 300),
                token(" au", 300, 400),
            )
        ),
        [("caf\u00e9", 0.0, 0.3), ("au", 0.3, 0.4)],
    ),
    "the same without spaces": (
        whisper_cpp(
            segment(
                "今良い",
                0,
                900,
                token("今", 0, 100),
                token("\ufffd\ufffd", 100, 200),
                token("\ufffd", 200, 300),
                token("い", 300, 400),
            ),
            language="ja",
        ),
        [("今", 0.0, 0.1), ("良", 0.1, 0.3), ("い", 0.3, 0.4)],
    ),
}


@pytest.mark.parametrize(("content", "expected"), PIECES.values(), ids=PIECES)
def test_pieces_of_whisper_cpp_are_joined_to_words(content, expected, tmp_path):
    """Offsets are in milliseconds. A word lasts to the end of its mark, as the program's own --split-on-word has it."""
    assert read(content, tmp_path) == ("whisper.cpp", expected)
    assert read_transcripts(tmp_path / "a.json")[1][0].language == content["result"]["language"]


@pytest.mark.parametrize(
    ("language", "texts", "expected"),
    [
        ("english", (" Ameri", "cans", " so"), ["Americans", "so"]),
        *((name, ("今日", "は", "良い"), ["今日", "は", "良い"]) for name in ("japanese", "ja", "jpn", "ja-JP")),
        *((name, ("你", "好", "吗"), ["你", "好", "吗"]) for name in ("Chinese", "zho", "zh-TW", "zh-yue")),
        ("burmese", ("က", "ခ", "ဂ"), ["က", "ခ", "ဂ"]),
    ],
)
def test_words_of_the_server_of_whisper_cpp_are_tokens(language, texts, expected, tmp_path):
    """Its response has the form of OpenAI's, but its words are pieces, with ``t_dtw``; tokens are numbers there."""
    tokens = [
        {"word": w, "start": i / 2, "end": i / 2 + 0.5, "t_dtw": -1, "probability": 0.5} for i, w in enumerate(texts)
    ]
    text = "".join(texts)
    segments = [{"id": 0, "text": text, "start": 0, "end": 2, "tokens": [1, 2, 3], "words": tokens}]
    content = {"task": "transcribe", "language": language, "duration": 2.0, "text": text, "segments": segments}
    format_name, words = read(content, tmp_path)
    assert (format_name, [text for text, *_ in words], words[-1][2]) == ("whisper.cpp", expected, 1.5)


def test_tokens_without_any_offsets_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.json: has no offsets; transcribe with --output-json-full"):
        read(whisper_cpp(segment(" one two", 0, 900, {"text": " one", "id": 1}, {"text": " two", "id": 2})), tmp_path)


@pytest.mark.parametrize(("language", "n_bytes"), [("fr", 1), ("ja", 1), ("ja", 2)])
def test_bytes_of_a_character_that_tokens_share_are_joined(language, n_bytes, tmp_path):
    """The program writes the bytes of each token as they are, so that the file is not UTF-8."""
    char = {"fr": "\u00e9", "ja": "良"}[language]
    tokens = [token(" a", 0, 100), token("FIRST", 100, 200), token("REST", 200, 300), token(" b", 300, 400)]
    text = json.dumps(whisper_cpp(segment(f" a{char} b", 0, 400, *tokens), language=language), ensure_ascii=False)
    data = text.encode().replace(b"FIRST", char.encode()[:n_bytes]).replace(b"REST", char.encode()[n_bytes:])
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    words = read(data, tmp_path)[1]
    expected = [("a" + char, 0.0, 0.3)] if language == "fr" else [("a", 0.0, 0.1), (char, 0.1, 0.3)]
    assert words == [*expected, ("b", 0.3, 0.4)]
