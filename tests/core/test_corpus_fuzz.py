"""Damaged files raise InputError at worst: no other error, no hang, no expanded entity.

The ordinary run tests a small number of cases; ``make validate`` tests 10,000 of each (``ALIGN_EVAL_FUZZ_CASES``).
"""

import os
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.readers import ami, buckeye, kaldi, lhotse, librispeech, mfa, timit
from align_eval.errors import InputError, InputWarning
from align_eval.formats.nite_xml import parse_xml, word_entries
from align_eval.formats.textgrids import read_word_tier
from tests.corpora import AUDIO, HERE, make_corpus

CASES = int(os.environ.get("ALIGN_EVAL_FUZZ_CASES", "60"))
SECONDS = 5
"""CPU time after which a case is stopped; every case takes less than a third of it."""

FUZZED = settings(
    max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

TEXTGRIDS = [path.read_bytes() for path in sorted(HERE.rglob("*.TextGrid"))]
CTM = (HERE / "kaldi/data/ctm").read_bytes()
XML = (HERE / "ami/words/ES2099a.A.words.xml").read_bytes()

PIECES = [
    *(
        b"",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r\n",
        b"\t",
        b'"',
        b"<",
        b">",
        b"&",
        b"&lol;",
        b"]]>",
        b"%",
    ),
    *(b"nan", b"inf", b"-1", b"1e999", b"1e308", b"9" * 400, b"0x1p4", b"1_000", "٣".encode(), b"--undefined--", b";;"),
    *(b"<!DOCTYPE x>", b"<!ENTITY a 'b'>", b"<![CDATA[", b"<w starttime='2' endtime='1'>x</w>", b"<w>", b"</w>"),
    *(b"<?xml version='1.0' encoding='utf-7'?>", b"<a>" * 3000, "\u202eא".encode(), b"<exists>", b'"IntervalTier"'),
]


@contextmanager
def at_most(seconds: int):
    """Raise TimeoutError in the block after this much CPU time."""

    def stop(*_):
        raise TimeoutError(f"not done after {seconds} s of computing")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@st.composite
def damaged(draw, originals):
    """One to six deletions, insertions, repetitions and changed bytes of a good file, or bytes of any kind."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 6))):
        a, b = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        kind = draw(st.sampled_from(["cut", "insert", "replace", "repeat", "byte", "end"]))
        piece = draw(st.sampled_from(PIECES))
        byte = bytes([draw(st.integers(0, 255))])
        data = {
            "cut": data[:a] + data[min(b, a + 40) :],
            "insert": data[:a] + piece + data[a:],
            "replace": data[:a] + piece + data[min(b, a + 10) :],
            "repeat": data[:b] + data[a:b][:200] + data[b:],
            "byte": data[:a] + byte + data[a + 1 :],
            "end": data[:b],
        }[kind]
    return data


def reads_or_refuses(read):
    """Result of ``read``, or None after :class:`InputError`; any other error fails the test."""
    with warnings.catch_warnings(), at_most(SECONDS):
        warnings.simplefilter("ignore", InputWarning)
        try:
            return read()
        except InputError:
            return None


def as_file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@FUZZED
@given(damaged(TEXTGRIDS))
def test_textgrids(tmp_path, data):
    reads_or_refuses(lambda: read_word_tier(as_file(tmp_path, "a.TextGrid", data)))


@FUZZED
@given(damaged([CTM]))
def test_ctm(tmp_path, data):
    reads_or_refuses(lambda: kaldi.read_ctm(as_file(tmp_path, "ctm", data)))


@FUZZED
@given(damaged([XML]))
def test_xml(data):
    entries = reads_or_refuses(lambda: list(word_entries(parse_xml(data, "a.words.xml"), "a.words.xml")))
    assert not any(b"!ENTITY" in data and entry.text == "b" for entry in entries or ())


@FUZZED
@given(damaged([(HERE / "buckeye/s01/s0101a/s0101a.words").read_bytes()]))
def test_buckeye_words(tmp_path, data):
    reads_or_refuses(lambda: buckeye.read_buckeye_words(as_file(tmp_path, "a.words", data)))


@FUZZED
@given(damaged([path.read_bytes() for path in sorted(HERE.rglob("*.WRD"))]))
def test_timit_words(tmp_path, data):
    reads_or_refuses(lambda: timit.read_wrd(as_file(tmp_path, "a.WRD", data), 16_000))


# Whole corpora: one damaged file in a good one

TEXT_FILES = [
    path.relative_to(HERE)
    for path in sorted(HERE.rglob("*"))
    if path.is_file() and path.suffix not in (".py", ".pyc", ".PHN", ".TXT") and path.parts[len(HERE.parts)] in AUDIO
]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    return {kind: make_corpus(kind, folder) for kind in AUDIO}


@settings(FUZZED, max_examples=max(CASES // 2, 1))
@given(st.data())
def test_a_damaged_file_in_a_corpus(corpora, data):
    """The rest of the corpus is read, or it is refused; the kind is given, so that damage cannot make it another."""
    name = data.draw(st.sampled_from([n for n in TEXT_FILES if n.parts[0] != "lhotse"]))
    kind = name.parts[0]
    path = corpora[kind].parent / name
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged([whole])))
        corpus = reads_or_refuses(lambda: load_corpus(corpora[kind], kind=kind))
    finally:
        path.write_bytes(whole)
    for u in corpus.utterances if corpus else ():
        assert 0 <= u.words[0].start_s <= u.words[-1].end_s <= u.duration_s + 0.021
        assert u.duration_s <= 30


@settings(FUZZED, max_examples=max(CASES // 2, 1))
@given(damaged([path.read_bytes() for path in sorted((HERE / "lhotse").glob("*.jsonl"))]))
def test_telling_the_kind_of_a_damaged_file_never_fails(tmp_path, data):
    for name in ("a.TextGrid", "a.WRD", "a.words", "a.trans.txt", "A.A.words.xml", "a.jsonl", "b.jsonl.gz", "wav.scp"):
        as_file(tmp_path, name, data)
    for module in (ami, buckeye, kaldi, librispeech, lhotse, mfa, timit):
        reads_or_refuses(lambda module=module: module.detect(sorted(tmp_path.iterdir())))


# Entities

BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol">%s]>
<nite:root xmlns:nite="http://nite.sourceforge.net/"><w starttime="0" endtime="1">&lol9;</w></nite:root>
""" % b"".join(
    b'<!ENTITY lol%d "%s">' % (i, b"&lol%d;" % (i - 1) * 10 if i > 1 else b"&lol;" * 10) for i in range(1, 10)
)

ENTITIES = {
    "billion laughs": BILLION_LAUGHS,
    "quadratic": b"<!DOCTYPE x [<!ENTITY a '%s'>]><x>%s</x>" % (b"a" * 50_000, b"&a;" * 50_000),
    "a file": b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/hostname'>]><x><w starttime='0' endtime='1'>&a;</w></x>",
    "an address": b"<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'><x/>",
    "a parameter": b"<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/hostname'> %a;]><x/>",
    "in UTF-16": "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>".encode("utf-16"),
    "an empty type": b"<!DOCTYPE x><x/>",
}


@pytest.mark.parametrize("data", ENTITIES.values(), ids=ENTITIES.keys())
def test_document_types_are_refused_before_anything_is_expanded(data):
    with at_most(SECONDS), pytest.raises(InputError, match=r"a\.xml: has a document type or entities; remove"):
        parse_xml(data, "a.xml")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<x>&undeclared;</x>", "undefined entity"),
        (b"<x>", "no element found"),
        (b"", "no element found"),
        (b"<?xml version='1.0' encoding='klingon'?><x/>", "klingon"),
        (b"<a>" * 200_000, "not well-formed XML"),
    ],
)
def test_what_is_no_xml_is_refused(data, problem):
    with at_most(SECONDS), pytest.raises(InputError, match=rf"a\.xml: is not well-formed XML .*{problem}|{problem}"):
        parse_xml(data, "a.xml")


def test_deep_nesting_is_read_or_refused_and_never_crashes():
    data = b"<a>" * 300_000 + b"</a>" * 300_000
    reads_or_refuses(lambda: list(word_entries(parse_xml(data, "a.xml"), "a.xml")))
