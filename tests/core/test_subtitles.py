"""Subtitles: WebVTT by its specification, automatic captions of YouTube, and SRT as players read it.

Section numbers are those of W3C, "WebVTT: The Web Video Text Tracks Format".
"""

from pathlib import Path

import pytest

from align_eval.errors import InputError
from align_eval.formats.hypothesis.detect import read_transcripts

Words = list[tuple[str, float | None, float | None]]


def words_of(text: str, suffix: str, folder: Path, form: str | None = None) -> Words:
    path = folder / f"a{suffix}"
    path.write_bytes(text.encode())
    return [(w.text, w.start_s, w.end_s) for w in read_transcripts(path, form)[1][0].words]


def cue(start_s: int, *lines: str, between: str = "\n") -> str:
    """A cue of one second."""
    return f"00:0{start_s}.000 --> 00:0{start_s + 1}.000{between}" + "\n".join(lines)


ONE, TWO = ("one", 1.0, 2.0), ("two", 2.0, 3.0)

WEBVTT = {
    # what is in the file after its first line, and the words
    "an empty line ends a block (6.1, collect a block)": (f"\n{cue(1, 'one')}\n\n{cue(2, 'two')}\n", [ONE, TWO]),
    "a line with a space does not": (f"\n{cue(1, ' ', 'one')}\n\n{cue(2, 'two', ' ')}\n \n", [ONE, TWO]),
    "an arrow begins a cue without an empty line": (f"\n{cue(1, 'one')}\n{cue(2, 'two')}", [ONE, TWO]),
    "and ends the header": (f"Kind: captions\n{cue(1, 'one')}", [ONE]),
    "a line before the times is the name of the cue": (
        f"\nNOTE 7\n{cue(1, 'one')}\n\nx --\n{cue(2, 'two')}",
        [ONE, TWO],
    ),
    "a third line with an arrow begins a block of its own": (f"\nNOTE\nmore\n{cue(1, 'one')}", [ONE]),
    "blocks without times are passed over": (
        f"\nNOTE\na\n\nSTYLE\n::cue {{}}\n\nREGION\nid:a\n\n{cue(1, 'one')}\n\nstray text\n\n{cue(2, 'two')}",
        [ONE, TWO],
    ),
    "a note with an arrow has no times": (f"\nNOTE a --> b\n\n{cue(1, 'one')}", [ONE]),
    "settings are not read": ("\n00:01.000 --> 00:02.000 line:0 position:20%,line-left\none", [ONE]),
    "tabs and no spaces": ("\n00:01.000\t-->\t00:02.000\tline:0\none\n\n00:02.000-->00:03.000\ntwo", [ONE, TWO]),
    "hours of any length (4.1)": ("\n100:00:01.000 --> 100:00:02.000\none", [("one", 360001.0, 360002.0)]),
    "ruby annotations are not spoken (4.2.2)": (
        f"\n{cue(1, '<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>')}",
        [("漢字", 1, 2)],
    ),
    "ruby without its last end tag": (f"\n{cue(1, '<ruby>漢<rt>kan</ruby>字')}", [("漢字", 1.0, 2.0)]),
    "an annotation outside ruby is text (6.4)": (f"\n{cue(1, '<rt>one</rt>')}", [ONE]),
    "voices, classes and languages": (f"\n{cue(1, '<v.loud Mary Ann><lang en-GB><c.a.b>one</c></lang></v>')}", [ONE]),
    "unknown tags are dropped (6.4)": (
        f"\n{cue(1, '<blink>one</blink><x/>')}\n\n{cue(2, '<script>two</script>')}",
        [ONE, TWO],
    ),
    "entities are characters": (
        f"\n{cue(1, 'AT&amp;T')}\n\n{cue(2, '&#x41;&#66;&nbsp;&gt;')}",
        [("AT&T", 1, 2), ("AB\u00a0>", 2, 3)],
    ),
    "a second header of joined files": (
        f"X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n{cue(1, 'one')}\n\nWEBVTT\n"
        f"X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n{cue(2, 'two')}\n",
        [ONE, TWO],
    ),
    "a second header right after a cue": (f"\n{cue(1, 'one')}\nWEBVTT - b\n\n{cue(2, 'two')}", [ONE, TWO]),
    "a cue whose text is that of a header": (
        f"\n{cue(1, 'WEBVTT')}\n\n{cue(2, 'two')}",
        [("WEBVTT", 1.0, 2.0), TWO],
    ),
    "a second header with its byte-order mark": (f"\n{cue(1, 'one')}\n\ufeffWEBVTT\n{cue(2, 'two')}", [ONE, TWO]),
    "a word that is said twice": (f"\n{cue(1, 'one')}\n\n{cue(2, 'one')}", [ONE, ("one", 2.0, 3.0)]),
    "no cue": ("Kind: captions\n\nNOTE of nobody\n", []),
}


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("text", "expected"), WEBVTT.values(), ids=WEBVTT)
def test_webvtt_is_read_as_its_specification_says(text, expected, line_break, tmp_path):
    text = f"WEBVTT - title\n{text}".replace("\n", line_break)
    assert words_of(text, ".vtt", tmp_path) == expected
    assert words_of(f"\ufeff{text}", ".vtt", tmp_path) == expected


YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:01.990 align:start position:0%
 
hello<00:00:00.480><c> and</c><00:00:00.719><c> welcome</c>

00:00:01.990 --> 00:00:02.000 align:start position:0%
hello and welcome
 

00:00:02.000 --> 00:00:04.000 align:start position:0%
hello and welcome
to<00:00:02.240><c.colorE5E5E5> the</c><00:00:02.399><c> show</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
to the show
 

00:00:04.010 --> 00:00:05.000 align:start position:0%
to the show
yes

00:00:05.000 --> 00:00:05.010 align:start position:0%
yes
 

00:00:05.010 --> 00:00:06.000 align:start position:0%
yes
yes<00:00:05.500><c> sir</c>
"""  # noqa: W293 (a line with a space is part of the format)


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_rolling_captions_have_each_word_once_where_it_is_spoken(line_break, tmp_path):
    """The first word of a line starts with its cue. "yes" is a line without marks, and is then said again."""
    assert words_of(YOUTUBE.replace("\n", line_break), ".vtt", tmp_path) == [
        ("hello", 0.16, 0.48), ("and", 0.48, 0.719), ("welcome", 0.719, 1.99),
        ("to", 2.0, 2.24), ("the", 2.24, 2.399), ("show", 2.399, 4.0),
        ("yes", 4.01, 5.0), ("yes", 5.01, 5.5), ("sir", 5.5, 6.0),
    ]  # fmt: skip
    assert read_transcripts(tmp_path / "a.vtt")[1][0].language == "en"


def test_text_without_any_cue_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.vtt: has text and no cue \('hello there'\); write the times of each cue"):
        words_of("WEBVTT\n\nhello there\n\n00:01.000 -> 00:02.000\none\n", ".vtt", tmp_path)
    with pytest.raises(InputError, match=r"has no known format"):
        words_of(f"WEBVTTX\n\nx\n\n{cue(1, 'one')}", ".vtt", tmp_path)


def srt(i: int, *lines: str) -> str:
    """A cue of one second with its number."""
    return "\n".join([str(i), f"00:00:0{i},000 --> 00:00:0{i + 1},000", *lines])


SRT = {
    "override tags of ASS": (
        srt(1, r"{\an8}{\i1}one{\i0}", "") + "\n" + srt(2, r"{\pos(10,20)\fad(1,2)}two"),
        [ONE, TWO],
    ),
    "a highlight after an override tag": (
        srt(1, r"{\an8}<u>one</u> two", "") + "\n" + srt(2, r"{\an8}one <u>two</u>"),
        [ONE, TWO],
    ),
    "braces that are no tag": (srt(1, "x{one}"), [("x{one}", 1.0, 2.0)]),
    "dots, one digit of hours and of the fraction": ("1\n0:00:01.0 --> 0:00:02.0\none\n", [ONE]),
    "coordinates": ("1\n00:00:01,000 --> 00:00:02,000  X1:100 X2:200 Y1:10 Y2:20\none\n", [ONE]),
    "spaces at the ends of lines": ("1 \n00:00:01,000 --> 00:00:02,000 \none \n \n", [ONE]),
    "no numbers": (f"{cue(1, 'one')}\n\n{cue(2, 'two')}\n", [ONE, TWO]),
    "no blank lines": (f"{srt(1, 'one')}\n{srt(2, 'two')}", [ONE, TWO]),
    "words that look like numbers": (f"{srt(1, '7')}\n{srt(2, '8')}", [("7", 1.0, 2.0), ("8", 2.0, 3.0)]),
    "the same without numbers": (f"{cue(1, '7')}\n{cue(2, '8')}", [("7", 1.0, 2.0), ("8", 2.0, 3.0)]),
    "a blank line after every line": (f"{srt(1, 'one')}\n\n{srt(2, 'two')}\n".replace("\n", "\n\n"), [ONE, TWO]),
    "a blank line before the text": (srt(1, "", "one"), [ONE]),
    "a cue without text": (f"{srt(1)}\n\n{srt(2, 'two')}", [TWO]),
    "HTML in capitals, entities and line breaks": (
        srt(1, '<FONT COLOR="red"><I>AT&amp;T</I></FONT><br/>'),
        [("AT&T", 1.0, 2.0)],
    ),
    "line breaks and spaces of ASS": (
        srt(1, r"<u>one</u>\Ntwo", "") + "\n" + srt(2, r"\hone\n<u>two</u>\h"),
        [ONE, TWO],
    ),
    "a line break of ASS at the end": (srt(1, r"one\N"), [ONE]),
    "an ampersand alone": (srt(1, "R&D"), [("R&D", 1.0, 2.0)]),
}


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("text", "expected"), SRT.values(), ids=SRT)
def test_srt_is_read_as_players_read_it(text, expected, line_break, tmp_path):
    assert words_of(text.replace("\n", line_break), ".srt", tmp_path) == expected


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff"], ids=["no bytes", "white space", "a byte-order mark"])
def test_a_file_without_a_cue_is_an_empty_transcript(text, tmp_path):
    """Nobody spoke. An empty file has no content that could tell its format, so that its suffix or the option does."""
    assert words_of(text, ".srt", tmp_path) == words_of(text, ".vtt", tmp_path) == []
    assert words_of("WEBVTT", ".vtt", tmp_path) == words_of("WEBVTT\n\n", ".txt", tmp_path) == []
    assert words_of(text, ".txt", tmp_path, "srt") == words_of(text, ".txt", tmp_path, "webvtt") == []
    with pytest.raises(InputError, match=r"a\.txt: the file is empty"):
        words_of(text, ".txt", tmp_path)


def test_lines_of_ass_are_not_glued(tmp_path):
    with pytest.raises(InputError, match=r"cue 1, line 2: holds 2 words without times"):
        words_of(srt(1, r"one\Ntwo"), ".srt", tmp_path)


def test_voices_are_not_glued(tmp_path):
    with pytest.raises(InputError, match=r"holds 2 words"):
        words_of(f"WEBVTT\n\n{cue(1, '<v A>one</v><v B>two</v>')}", ".vtt", tmp_path)


MARKED = {
    # the text of a cue from 1 s to 2 s, and the words: text belongs to the last time mark before it (section 6)
    "a tag inside a word": ("<00:01.100>hel<b>lo</b><00:01.500> world", [("hello", 1.1, 1.5), ("world", 1.5, 2.0)]),
    "punctuation in a tag of its own": ("<c>so</c><c>,</c><00:01.500> far", [("so,", 1.0, 1.5), ("far", 1.5, 2.0)]),
    "punctuation at the end": ("<i>so</i><00:01.500><i> far</i><i>!</i>", [("so", 1.0, 1.5), ("far!", 1.5, 2.0)]),
    "a blank at the end": ("so<00:01.500><c> far</c> ", [("so", 1.0, 1.5), ("far", 1.5, 2.0)]),
    "a last line of a space": ("so<00:01.500><c> far</c>\n ", [("so", 1.0, 1.5), ("far", 1.5, 2.0)]),
    "line breaks": ("<c>so</c>\n<00:01.500><c>far</c><br>", [("so", 1.0, 1.5), ("far", 1.5, 2.0)]),
    "a voice": ("<v Bob>so<00:01.500> far</v>", [("so", 1.0, 1.5), ("far", 1.5, 2.0)]),
    "ruby": ("漢<ruby>字<rt>じ</rt></ruby><00:01.500>か", [("漢字", 1.0, 1.5), ("か", 1.5, 2.0)]),
    "entities in tags": ("AT<c>&amp;</c>T<00:01.500>x", [("AT&T", 1.0, 1.5), ("x", 1.5, 2.0)]),
    "a mark without text": ("so<00:01.200> <00:01.500>far<00:01.700>", [("so", 1.0, 1.2), ("far", 1.5, 1.7)]),
}


@pytest.mark.parametrize(("text", "expected"), MARKED.values(), ids=MARKED)
def test_tags_do_not_divide_the_text_between_two_time_marks(text, expected, tmp_path):
    assert words_of(f"WEBVTT\n\n{cue(1, text)}\n", ".vtt", tmp_path) == expected


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
@pytest.mark.parametrize("times", ["-00:00:00,200 --> 00:00:01,000", "-0:0:1.0-->-0:0:0.5", "00:01.000 --> -00:00.200"])
def test_a_word_at_a_negative_time_is_kept_without_times(times, suffix, tmp_path):
    """A shift of the whole file writes such times before its start. The other words keep theirs."""
    header = "WEBVTT\n\n" if suffix == ".vtt" else ""
    text = f"{header}{times}\nzero\n\n{cue(1, 'one')}\n\n{cue(2, 'two')}\n"
    assert words_of(text, suffix, tmp_path) == [("zero", None, None), ONE, TWO]


def test_a_negative_zero_is_zero(tmp_path):
    words = words_of("-00:00:00,000 --> 00:00:01,000\nzero\n", ".srt", tmp_path)
    assert str(words) == "[('zero', 0.0, 1.0)]"


def test_negative_time_marks(tmp_path):
    text = "WEBVTT\n\n-00:01.000 --> 00:02.000\nzero<-00:00.500> half<00:01.000> one\n"
    assert words_of(text, ".vtt", tmp_path) == [("zero", None, None), ("half", None, None), ONE]
