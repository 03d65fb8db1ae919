"""The Praat reader: every text format gives the same content, and damaged files are refused.

``CONTENT`` is the content of one TextGrid, written by hand. Every format and encoding of it must give exactly that.
"""

import codecs
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textgrid import IntervalTier, TextGrid

from align_eval.corpus.bundled import BUNDLED, bundled_path
from align_eval.errors import InputError
from align_eval.formats.praat import decode_text, parse_textgrid, read_textgrid, rounding_messages
from align_eval.formats.textgrids import write_words
from align_eval.records import Word

HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'

CONTENT = (
    (0.0, 1.5),
    ("IntervalTier", "words", 0.0, 1.5, [(0.0, 0.5, ""), (0.5, 1.0, 'she said "é"'), (1.0, 1.5, "two\nlines")]),
    ("TextTier", "clicks", 0.0, 1.5, [(0.123456789012, "click")]),
)

LONG = (
    HEAD
    + """xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "she said ""é\"""
        intervals [3]:
            xmin = 1
            xmax = 1.5
            text = "two
lines"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 1.5
        points: size = 1
        points [1]:
            number = 0.123456789012
            mark = "click"
"""
)

SHORT = (
    HEAD
    + """0
1.5
<exists>
2
"IntervalTier"
"words"
0
1.5
3
0
0.5
""
0.5
1
"she said ""é\"""
1
1.5
"two
lines"
"TextTier"
"clicks"
0
1.5
1
0.123456789012
"click"
"""
)

ONE_LINE = (
    '"ooTextFile" "TextGrid" 0 1.5 <exists> 2 "IntervalTier" "words" 0 1.5 3 0 .5 "" 0.5 1 "she said ""é""" '
    '1 1.5 "two\nlines" "TextTier" "clicks" 0 1.5 1 0.123456789012 "click"'
)

COMMENTED = SHORT.replace("\n0.5\n1\n", '\n0.5 ! half a second, "not a string" 7\n! 8\n1\n')
EXPONENTS = SHORT.replace("\n0.5\n1\n", "\n5e-1\n+10.0E-1\n")
PERCENT = SHORT.replace("\n0.5\n1\n", "\n50%\n100%\n")


def content(grid):
    """All times and texts of a grid, as plain values."""
    tiers = []
    for tier in grid.tiers:
        if isinstance(tier, IntervalTier):
            entries = [(i.minTime, i.maxTime, i.mark) for i in tier.intervals]
            tiers.append(("IntervalTier", tier.name, tier.minTime, tier.maxTime, entries))
        else:
            tiers.append(("TextTier", tier.name, tier.minTime, tier.maxTime, [(p.time, p.mark) for p in tier.points]))
    return ((grid.minTime, grid.maxTime), *tiers)


def words_grid(entries: str, size: int) -> str:
    """A TextGrid in short format with one tier; ``entries`` starts on line 12."""
    return HEAD + f'0\n1\n<exists>\n1\n"IntervalTier"\n"words"\n0 1\n{size}\n{entries}\n'


FORMS = {
    "long": LONG,
    "short": SHORT,
    "one line": ONE_LINE,
    "with comments": COMMENTED,
    "with exponents": EXPONENTS,
    "with per cent": PERCENT,
    "Windows line breaks, other decoration": SHORT.replace("\n1\n0.123", "\r\npoints: size = 1\r\n0.123"),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_every_text_format_gives_the_same_content(text):
    assert content(parse_textgrid(text, "a.TextGrid")) == CONTENT


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (LONG.encode(), "utf-8-sig"),
        (codecs.BOM_UTF8 + LONG.encode(), "utf-8-sig"),
        (codecs.BOM_UTF16_LE + LONG.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + LONG.encode("utf-16-be"), "utf-16"),
        (LONG.encode("cp1252"), "cp1252"),
    ],
    ids=["UTF-8", "UTF-8 with mark", "UTF-16 LE", "UTF-16 BE", "cp1252"],
)
def test_every_encoding_gives_the_same_content_and_is_reported(tmp_path, data, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(data)
    grid, detected = read_textgrid(path)
    assert (content(grid), detected) == (CONTENT, encoding)


def test_a_byte_that_cp1252_lacks_is_read_as_latin_1():
    assert decode_text(b'"\x81"', "a.TextGrid") == ('"\x81"', "latin-1")


def test_a_grid_declared_without_tiers_has_none():
    assert content(parse_textgrid(HEAD + "xmin = 0\nxmax = 2\ntiers? <absent>\n", "a.TextGrid")) == ((0.0, 2.0),)


def test_neighbours_may_overlap_by_less_than_a_sample():
    grid = parse_textgrid(words_grid('0 0.5000005 "a" 0.5 1 "b"', 2), "a.TextGrid")
    assert [(i.minTime, i.maxTime) for i in grid.tiers[0]] == [(0, 0.5000005), (0.5, 1)]


@pytest.mark.parametrize(
    ("end_s", "start_s", "text"),
    [(0.50003, 0.5, "0.03 ms"), (0.501, 0.5, "1 ms"), (0.5, 0.49999, "0.01 ms")],
    ids=["30 microseconds", "a millisecond, the last digit of times of three decimals", "10 microseconds"],
)
def test_neighbours_that_overlap_by_rounding_are_read_as_they_are_and_counted(end_s, start_s, text):
    grid = parse_textgrid(words_grid(f'0 {end_s} "a" {start_s} 1 "b"', 2), "a")
    (message,) = rounding_messages(grid, "a")
    assert message.startswith("a, tier 'words': 1 of its intervals overlap the one before by up to ")
    assert message.endswith(f" {text}; this was taken as rounding")
    assert [(i.minTime, i.maxTime) for i in grid.tiers[0]] == [(0, end_s), (start_s, 1)]


def test_an_overlap_of_more_than_a_millisecond_is_no_rounding():
    with pytest.raises(InputError, match=r"interval 2: starts \(0\.5 s\) before interval 1 ends \(0\.5011 s\)"):
        parse_textgrid(words_grid('0 0.5011 "a" 0.5 1 "b"', 2), "a")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("0.9 0.4", (0.9, 0.4)), ("0.5 0.5", (0.5, 0.5)), ("0.1 0.9", (0.1, 0.9)), ("-1 0.4", (-1, 0.4)),
        ("inf 0.9", (math.inf, 0.9)), ("50% 0.9", (0.5, 0.9)), ("--undefined-- 0.9", (math.nan, 0.9)),
    ],
)  # fmt: skip
def test_intervals_may_have_any_times_on_request_and_the_structure_is_checked_all_the_same(times, expected):
    text = words_grid(f'0 0.5 "a" {times} "b"', 2)
    (_, interval) = parse_textgrid(text, "a", any_times=True).tiers[0].intervals
    assert (interval.minTime, interval.maxTime) == pytest.approx(expected, nan_ok=True)
    with pytest.raises(InputError):
        parse_textgrid(text.replace('"b"', ""), "a", any_times=True)


BUNDLED_GRIDS = sorted(path for name in BUNDLED for path in bundled_path(name).glob("*.TextGrid"))


@pytest.mark.parametrize("path", BUNDLED_GRIDS, ids=lambda path: path.stem)
def test_bundled_files_are_read_as_the_textgrid_package_reads_them(path):
    """Its reader rounds times to 5 decimals and drops intervals of no length, which no bundled file has."""
    ours = content(read_textgrid(path)[0])
    theirs = content(TextGrid.fromFile(str(path)))

    def rounded(grid):
        return [(*tier[:2], [(*(round(t, 5) for t in e[:-1]), e[-1]) for e in tier[4]]) for tier in grid[1:]]

    assert rounded(ours) == rounded(theirs)


# Refusals: one rule per case. The message names the file, the place in it and the value.

BAD_BYTES = {
    "empty file": (b"", "the file is empty"),
    "white space only": (b" \n\n", "the file is empty"),
    "binary file": (b"ooBinaryFile\x08TextGrid\x00\x01", "is a binary Praat file"),
    "zero bytes, no mark": (LONG.encode("utf-16-le"), "holds zero bytes and no byte-order mark"),
    "half a UTF-16 unit": (codecs.BOM_UTF16_LE + b'"\x00a', "is not valid UTF-16"),
    "sound": (b"RIFF\xff\xffWAVEfmt ", 'does not begin with "ooTextFile"'),
    "mark alone": (codecs.BOM_UTF16_LE, 'does not begin with "ooTextFile"'),
}


@pytest.mark.parametrize(("data", "problem"), BAD_BYTES.values(), ids=BAD_BYTES.keys())
def test_bytes_that_are_no_textgrid_are_refused(tmp_path, data, problem):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}.*{problem}"):
        read_textgrid(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.TextGrid: cannot be read \(No such file"):
        read_textgrid(tmp_path / "gone.TextGrid")


BAD_TEXT = {
    "no header": ("xmin = 0\nxmax = 1\n", r'a: is no Praat text file: it does not begin with "ooTextFile"'),
    "another class": ('"ooTextFile" "Pitch 1" 0 1', r"a: holds a Praat 'Pitch 1', not a TextGrid"),
    "grid reversed": (HEAD + "2 1 <exists> 0", r"a: the TextGrid ends \(1 s\) before it starts \(2 s\)"),
    "grid of no length": (HEAD + "1 1 <exists> 0", r"a: the TextGrid has no length \(at 1 s\)"),
    "reversed interval": (
        words_grid('0 0.5 "a"\n0.5 0.2 "b"', 2),
        r"a, tier 'words', interval 2: the interval ends \(0\.2 s\) before it starts \(0\.5 s\)",
    ),
    "interval of no length": (
        words_grid('0 0.5 "a"\n0.5 0.5 "b"', 2),
        r"a, tier 'words', interval 2: the interval has no length \(at 0\.5 s\)",
    ),
    "overlap": (
        words_grid('0 0.5 "a"\n0.4 1 "b"', 2),
        r"a, tier 'words', interval 2: starts \(0\.4 s\) before interval 1 ends \(0\.5 s\)",
    ),
    "NaN": (words_grid('0 nan "a"', 1), r"a, tier 'words', interval 1, line 12: its xmax is nan; write a finite"),
    "infinity": (words_grid('0 Inf "a"', 1), r"a, tier 'words', interval 1, line 12: its xmax is Inf"),
    "undefined": (words_grid('0 --undefined-- "a"', 1), r"interval 1, line 12: its xmax is --undefined--"),
    "overflow": (words_grid('0 1e999 "a"', 1), r"a, tier 'words', interval 1, line 12: its xmax is inf"),
    "point at NaN": (
        HEAD + '0 1 <exists> 1 "TextTier" "clicks" 0 1 1\nnan "a"',
        r"a, tier 'clicks', point 1, line 5: its time is nan",
    ),
    "decimal comma": (words_grid('0 0,5 "a"', 1), r"a, line 12: '0,5' is not a number; correct the number"),
    "two dots": (words_grid('0 0.5.1 "a"', 1), r"a, line 12: '0\.5\.1' is not a number"),
    "unclosed string": (words_grid('0 1 "a', 1), r"a, line 12: a string is opened and never closed"),
    "undoubled quote": (
        words_grid('0 1 "a "b" c"', 1),
        r"a, line 12: 'b' follows the string \"a \"; double the quotes",
    ),
    "too small count": (
        words_grid('0 0.5 "a"\n0.5 1 "b"', 1),
        r"a, line 13: the file goes on \('0\.5'\) after all the tiers and intervals it declares",
    ),
    "too large count": (
        words_grid('0 0.5 "a"\n0.5 1 "b"', 3),
        r"a, tier 'words', interval 3, line 13: the file ends before its xmin",
    ),
    "too small count before another tier": (
        LONG.replace("intervals: size = 3", "intervals: size = 2"),
        r"a, tier 2, line 24: found '1' instead of the class of the tier \(a string\)",
    ),
    "too large count before another tier": (
        LONG.replace("intervals: size = 3", "intervals: size = 4"),
        r"a, tier 'words', interval 4, line 29: found 'TextTier' instead of its xmin \(a number\)",
    ),
    "a count of 1e300": (words_grid('0 1 "a"', 10**300), r"a, tier 'words', interval 2, line 12: the file ends"),
    "count below zero": (words_grid("", -1), r"a, tier 'words', line 11: the number of entries is -1; write a whole"),
    "count not whole": (HEAD + "0 1 <exists> 1.5", r"a, line 4: the number of tiers is 1\.5; write a whole number"),
    "unknown tier class": (
        words_grid("", 0).replace("IntervalTier", "PitchTier"),
        r"a, tier 1, line 8: unknown tier class 'PitchTier'; use IntervalTier or TextTier",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_TEXT.values(), ids=BAD_TEXT.keys())
def test_damage_is_refused_with_its_place_and_value(text, message):
    with pytest.raises(InputError, match=message):
        parse_textgrid(text, "a")


@pytest.mark.parametrize("text", [LONG, SHORT, ONE_LINE], ids=["long", "short", "one line"])
def test_a_file_cut_short_at_any_byte_is_refused(text):
    """The last label has no doubled quote, so no cut closes it early; only trailing white space can be lost."""
    data = text.encode()
    whole = len(data.rstrip())
    for n in range(whole):
        with pytest.raises(InputError, match=r"^a"):
            parse_textgrid(decode_text(data[:n], "a")[0], "a")
    for n in range(whole, len(data) + 1):
        assert content(parse_textgrid(decode_text(data[:n], "a")[0], "a")) == CONTENT


# Properties

LABELS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(str.strip).filter(bool)
)


@st.composite
def word_tiers(draw):
    """Words in order between 0 and 30 s, some of no length."""
    times = sorted(draw(st.lists(st.floats(0, 30), max_size=24)))
    return [Word(draw(LABELS), start_s, end_s) for start_s, end_s in zip(times[::2], times[1::2], strict=False)]


@settings(deadline=None, max_examples=150)
@given(words=word_tiers())
def test_written_words_are_read_back_exactly(words, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "a.TextGrid"
    write_words(path, {"words": words}, 30.0)
    tiers, lasting, points = read_textgrid(path)[0].tiers, [], []
    for word in words:
        (lasting if word.start_s < word.end_s else points).append(word)
    assert [(i.minTime, i.maxTime, i.mark) for i in tiers[0] if i.mark] == [
        (w.start_s, w.end_s, w.text) for w in lasting
    ]
    assert [(p.time, p.mark) for tier in tiers[1:] for p in tier] == [(w.start_s, w.text) for w in points]


def parses_or_is_refused(data: bytes) -> None:
    """Parse the bytes. Any error but :class:`InputError` fails the test."""
    try:
        parse_textgrid(decode_text(data, "a")[0], Path("a"))
    except InputError as error:
        assert error.place.startswith("a")  # noqa: PT017 (raising is allowed here, not required)


PIECES = st.sampled_from(
    [
        *(" ", "\n", "\r\n", "\x85", "\ufeff", "é", "!", '"', '""', '"a"', '"b', "xmin =", "[1]:"),
        *("0", "1", "-1", "2.5", ".5", "1.", ".", "50%", "1e999", "nan", "--undefined--"),
        *("<exists>", "<absent>", "<other>", '"IntervalTier"', '"TextTier"', '"TextGrid"', '"ooTextFile"'),
    ]
)


@settings(deadline=None, max_examples=200)
@given(data=st.one_of(st.binary(), st.text().map(lambda t: t.encode(errors="replace"))))
def test_random_bytes_and_text_are_read_or_refused(data):
    parses_or_is_refused(data)


@settings(deadline=None, max_examples=300)
@given(pieces=st.lists(PIECES, max_size=60), glue=st.sampled_from(["", " "]))
def test_random_tokens_after_a_good_header_are_read_or_refused(pieces, glue):
    parses_or_is_refused((HEAD + glue.join(pieces)).encode())


@st.composite
def mutated(draw):
    """A good file with one to four deletions, insertions and swaps of pieces."""
    text = draw(st.sampled_from([LONG, SHORT, ONE_LINE]))
    for _ in range(draw(st.integers(1, 4))):
        a, b, c = sorted(draw(st.lists(st.integers(0, len(text)), min_size=3, max_size=3)))
        kind = draw(st.sampled_from(["delete", "insert", "swap"]))
        middle = {"delete": "", "insert": text[a:b] + draw(PIECES) + text[b:c], "swap": text[b:c] + text[a:b]}[kind]
        text = text[:a] + middle + text[c:]
    return text


@settings(deadline=None, max_examples=300)
@given(text=mutated())
def test_a_mutated_file_is_read_or_refused(text):
    parses_or_is_refused(text.encode())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("0 .5.5 1 <exists> 0", r"'\.5\.5' is not a number"),
        ("0 1 <perhaps>", r"unknown flag <perhaps>; write <exists> or <absent>"),
        (
            '0 1 <exists> 1 "IntervalTier" "words" 5 1 0',
            r"tier 'words': the tier ends \(1 s\) before it starts \(5 s\)",
        ),
        ("0 " + "1" * 100_000 + "x", r"'1{40}\.\.\.' is not a number"),
        ("0 " + "1" * 100_000, r"xmax is inf"),
    ],
    ids=["two points", "flag", "reversed tier", "digits and a letter", "digits beyond all floats"],
)
def test_text_that_only_looks_like_a_number_flag_or_tier_is_refused(body, message):
    with pytest.raises(InputError, match=message):
        parse_textgrid(f'"ooTextFile" "TextGrid" {body}', "a.TextGrid")


CHRONOLOGICAL = '''"Praat chronological TextGrid text file"
0 2.3   ! Time domain.
2   ! Number of tiers.
"IntervalTier" "words" 0 2.3
"TextTier" "bell" 0 2.3

1 0 0.5
""
1 0.5 1.25
"one ""two"""
2 0.75
"ding"
1 1.25 2.3
"three"
'''


def test_the_chronological_format_is_read_tier_by_tier():
    grid = parse_textgrid(CHRONOLOGICAL, "a.TextGrid")
    words, bell = grid.tiers
    assert [(i.minTime, i.maxTime, i.mark) for i in words] == [
        (0, 0.5, ""),
        (0.5, 1.25, 'one "two"'),
        (1.25, 2.3, "three"),
    ]
    assert [(p.time, p.mark) for p in bell] == [(0.75, "ding")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2 0.75", "3 0.75", r"there is no tier 3"),
        ("1 1.25 2.3", "1 1.2 2.3", r"tier 'words', interval 3: starts \(1\.2 s\) before interval 2 ends"),
        ('"three"\n', "", r"the file ends before its text"),
    ],
)
def test_a_damaged_chronological_file_is_refused_with_its_place(old, new, message):
    with pytest.raises(InputError, match=message):
        parse_textgrid(CHRONOLOGICAL.replace(old, new), "a.TextGrid")
