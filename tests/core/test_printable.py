"""Text of files is shown on terminals, in logs and in reports, and not obeyed; long texts are cut with a count."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from align_eval.cli.encoding import HANDLER, print_in_any_encoding
from align_eval.cli.progress import progress
from align_eval.corpus.folder import load_folder
from align_eval.errors import (
    LONGEST_PART,
    MOST_LISTED,
    BugError,
    InputError,
    InputWarning,
    NotComparableError,
    bug_message,
    listed,
    printable,
    reason,
)
from align_eval.formats.atomic import is_file_name
from align_eval.formats.json_text import json_line
from align_eval.formats.textgrids import read_words
from align_eval.gate.compare import compare
from align_eval.gate.pairs import match_systems
from align_eval.records import Failure, Word
from align_eval.reporting.ci.junit import junit
from align_eval.reporting.ci.markdown import accepted_note, escaped, summary
from align_eval.reporting.figures.save import save
from align_eval.reporting.figures.utterance import Tier, utterance_figure
from align_eval.reporting.terminal.gate import print_comparison
from align_eval.reporting.terminal.printing import print_dropped, print_line
from tests.helpers.command_line import align_eval, start
from tests.helpers.planted_words import corpus, moved, side

DEMO = Path(__file__).resolve().parents[2] / "corpora" / "demo"

ATTACKS = {
    "new line": "x\n::error::owned",
    "return": "x\r::error::owned",
    "first in line": "::stop-commands::t",
    "after white space": " \u3000::error::owned",
    "old command": "x##[error]owned",
    "command of Azure": "##vso[task.setvariable variable=a]b",
    "colour": "\x1b[31mred",
    "link": "\x1b]8;;http://example.org\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;AAAA\x07",
    "C1": "\x9b31m\x9d0;title\x9c\x85::error::owned",
    "delete": "a\x7f\x08b",
    "line separator": "x\u2028::error::owned\u2029::debug::x",
    "file separator": "x\x1c::error::owned\x0b::a\x0c::b",
    "override": "\u202egnp.exe\u202c",
    "isolate": "\u2066a\u2069\u200f\u061c",
    "no width": "\ufeffa\u200bb\u2060c",
    "tags": "a\U000e0041\U000e0001",
    "half a pair": "a\udce9b\ud800",
    "no character": "\ufffe\uffff",
    "markup of rich": "[red]a[/red] [link=http://example.org]b[/link] :smile:",
}
EACH_ATTACK = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
ORDINARY = "at=mel | dtw, “мы ≤ é”, می\u200cخواهم, क\u094d\u200dष, 你好, 👩\u200d🔬, C:\\new\\x1b, no::, #1 # [x], a  b"


def obeyed(text: str) -> list[str]:
    """Parts of an output that a terminal or a runner obeys: runners look for ``::`` behind white space."""
    unseen = [
        c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\u200c\u200d"
    ]
    lines = [line for line in text.split("\n") if line.lstrip().startswith("::")]
    return [*unseen, *lines, *re.findall(r"##\w*\[", text)]


def on_terminal(*, width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=False)


@EACH_ATTACK
def test_an_attack_is_escaped_once(attack):
    shown = printable(attack)
    assert obeyed(shown) == []
    assert printable(shown) == shown


@given(st.text(st.sampled_from(":#[ \n\r\x1b\x9b\u2028\u202e\ud800a") | st.characters(codec=None)))
def test_any_text_is_one_line_without_commands(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert not shown.lstrip().startswith("::")
    assert "##[" not in shown
    assert printable(shown) == shown
    shown.encode()


def test_escapes_are_those_of_python_and_ordinary_text_stays():
    assert printable("\x1b\n\r\t\x9b\u202e\udcff\U000e0001") == r"\x1b\n\r\t\x9b\u202e\udcff\U000e0001"
    assert printable(ORDINARY) == ORDINARY


@EACH_ATTACK
def test_messages_are_escaped_where_they_are_made(attack):
    """A program that catches an error may log it."""
    for made in (
        InputError(attack, attack, attack),
        NotComparableError(Path(attack), attack, attack),
        InputWarning(attack),
        BugError(attack, attack),
        bug_message(ValueError(attack)),
        Failure(attack, attack).message,
    ):
        assert obeyed(str(made)) == []
    Failure(attack, attack).id.encode()  # the name of the file as far as JSON holds it


def test_a_failure_keeps_the_name_of_its_file():
    assert [Failure(id_, "").id for id_ in ("a\n::b", "caf\udce9", "é")] == ["a\n::b", r"caf\udce9", "é"]


def test_long_parts_of_a_message_lose_their_middle():
    error = InputError("a.ctm, line 3", f"'{40_000 * 'x'}' is no time", "correct it")
    assert len(str(error)) < LONGEST_PART + 100
    assert str(error).startswith("a.ctm, line 3: 'xxx")
    assert str(error).endswith("xxx' is no time; correct it")


def test_a_message_of_another_library_is_one_short_line():
    assert reason(ValueError("a\n  b\r\nc")) == "a b c"
    assert reason(KeyError()) == "KeyError"
    assert len(reason(ValueError(1000 * "a b "))) < 250


def test_a_list_ends_in_the_number_of_the_others():
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(map(str, range(2000)), "; ").endswith(f"; {MOST_LISTED - 1} and 1,988 more")
    assert len(listed([40_000 * "x"] * 2000)) < 3000


def write_grid(path: Path, tiers: list[tuple[str, str]]) -> Path:
    """A TextGrid with one label per tier, in Praat's short form."""
    lines = ['"ooTextFile"', '"TextGrid"', "0", "1", "<exists>", str(len(tiers))]
    for name, label in tiers:
        lines += ['"IntervalTier"', f'"{name}"', "0", "1", "1", "0", "1", f'"{label}"']
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def many_tiers(folder: Path) -> None:
    read_words(write_grid(folder / "a.TextGrid", [(f"tier {i}", "a") for i in range(900)]))


def many_word_tiers(folder: Path) -> None:
    read_words(write_grid(folder / "a.TextGrid", [(f"words {i}", "a") for i in range(900)] + 2 * [("words", "a")]))


def many_columns(folder: Path) -> None:
    (folder / "corpus.csv").write_text(",".join(f"column{i}" for i in range(2000)) + "\n")
    write_grid(folder / "a.TextGrid", [("words", "a")])
    load_folder(folder)


def many_systems(_: Path) -> None:
    match_systems([f"old {i}" for i in range(2000)], [f"new {i}" for i in range(2000)], {}, ())


@pytest.mark.parametrize("failing", [many_tiers, many_word_tiers, many_columns, many_systems])
def test_a_message_lists_some_of_many(tmp_path, failing):
    with pytest.raises(InputError) as caught:
        failing(tmp_path)
    assert re.search(r" and (1,9|8)\d\d more", str(caught.value))
    assert len(str(caught.value)) < 3000


def test_dropped_labels_are_shortened_and_counted():
    console = on_terminal()
    print_dropped("corpus", [(f"<{i}\x1b{100 * 'x'}>", 1) for i in range(100)], console)
    line = console.file.getvalue()
    assert line.endswith("... 1 and 88 more\n")
    assert obeyed(line) == []
    assert len(line) < 1000


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A corpus whose files have hostile names, as far as a file can have them, and a file that is no TextGrid."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ATTACKS.values():
        if "/" not in name:
            for suffix in (".flac", ".TextGrid"):
                shutil.copy(
                    DEMO / f"en_arctic_a0007{suffix}",
                    folder / os.fsdecode(name.encode(errors="replace") + suffix.encode()),
                )
    (folder / "bad\n::error::x\x1b[2J.TextGrid").write_text('"ooTextFile"\x1b\n::error::y')
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("lint", "corpus"),
        ("corpus", "check", "corpus"),
        ("corpus", "convert", "corpus", "converted"),
        ("score", "corpus", "corpus", "--lint", "listed", "--out", "run\n::error::x\x1b"),
        ("score", "corpus", "corpus", "--json"),
        ("score", "corpus", "corpus", "--name", "a::b ##[error] [red]c :smile:"),
        ("score", "corpus", "::error::x\n##[error]y"),
        ("compare", "::error::x\x9b", "y"),
        ("merge", "::error::x\x9b", "--out", "y"),
        ("list", "\n::error::x\u202e"),
        ("lint", "a", "\n::error::x\x1b##[error]y"),
        ("lint", "--\n::error::x\x1b##[error]y"),
        ("\n::error::x\x1b##[error]y",),
        ("score", "a", "b", "--seed", "\n::error::x\x1b##[error]y"),
    ],
    ids=lambda arguments: " ".join(arguments).encode("unicode_escape").decode(),
)
def test_commands_obey_no_name(hostile, arguments):
    done = align_eval(*arguments, cwd=hostile.parent)
    assert done.returncode in (0, 2)
    assert obeyed(done.stdout) + obeyed(done.stderr) == []
    if "--json" in arguments:
        failures = json.loads(done.stdout)["failures"]
        names = {path.stem for path in hostile.iterdir()}
        assert {failure["id"] for failure in failures} == {name for name in names if not is_file_name(name)}


@EACH_ATTACK
@pytest.mark.parametrize("width", [30, 190])
def test_tables_and_sentences_of_a_comparison_obey_no_system(attack, width):
    """A narrow table folds its cells, so that a line can begin within a name."""
    table = corpus(np.random.default_rng(0), n_speakers=4, fewest=20, most=25)
    for column in ("source", "word", "utterance"):
        texts = [attack.encode(errors="replace").decode() + text for text in table.column(column).to_pylist()]
        table = table.set_column(table.schema.get_field_index(column), column, pa.array(texts))
    comparison = compare(side(table, attack), side(moved(table, 60.0, 60.0), attack))
    console = on_terminal(width=width)
    print_comparison(comparison, console)
    assert obeyed(console.file.getvalue()) == []
    assert obeyed(summary(comparison)) == []
    assert not set(junit(comparison)) & {chr(i) for i in range(32) if chr(i) not in "\t\n\r"}
    junit(comparison).encode()


def test_markup_of_rich_is_text():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    print_line(console, "[red]a[/red] :smile: [link=x]b[/link] 12 'c'")
    assert console.file.getvalue() == "[red]a[/red] :smile: [link=x]b[/link] 12 'c'\n"


@EACH_ATTACK
@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_obeys_no_id(attack, is_terminal):
    console = Console(file=io.StringIO(), width=200, force_terminal=is_terminal, color_system=None)
    with progress(1, console) as on_done:
        on_done(attack)
    drawn = console.file.getvalue()
    if is_terminal:  # the bar itself moves the cursor
        drawn = re.sub(r"\x1b\[(\d*[AK]|2K|\?25[lh])|\r", "", drawn)
    assert obeyed(drawn) == []


@pytest.mark.parametrize(
    "text",
    ["@someone", "#1", "GH-1", "owner/repo#1", "https://example.org", "www.example.org", ":smile:", "$x$", "**a**",
     "<b>", "[a](b)", "![a](b)", "`a`", "a|b", "~~a~~", "&lt;", "<!-- a", "a@example.org"],
)  # fmt: skip
def test_markdown_has_no_markup_link_mention_or_emoji(text):
    """GitHub looks for mentions after rendering: a space without width breaks them."""
    shown = escaped(text)
    assert text not in shown
    assert "<" not in shown
    seen = re.sub(r"\\([\\`*_\[\]|~#])", r"\1", shown).replace("&#36;", "$").replace("&#8203;", "\u200b")
    assert seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("\u200b", "") == text
    assert not re.search(r"@\w|#\d|GH-\d|://|www\.|:[\w+-]+:", seen.replace("&lt;", "<"))


def test_ordinary_text_in_markdown_is_unchanged():
    assert escaped("gradient:at=mel,prep=log 12.5 ms") == "gradient:at=mel,prep=log 12.5 ms"


def test_the_note_of_a_baseline_has_no_markup_of_ids():
    table = corpus(np.random.default_rng(0), n_speakers=4, fewest=20, most=25)
    old, new = side(table, "old", id="a`<b>\n# c"), side(table, "new", id="0123456789ab")
    note = accepted_note(old, new, compare(old, new))
    assert "Run `0123456789ab` replaces a\\`&lt;b&gt;\\\\n\\#&#8203; c as the baseline." in note


@EACH_ATTACK
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp437", "ascii"])
def test_json_is_one_line_exact_and_in_any_encoding(attack, encoding):
    value = {attack: [attack, ORDINARY]}
    line = json_line(value, encoding)
    assert json.loads(line.encode(encoding).decode(encoding)) == value
    assert obeyed(line) == []


def test_streams_replace_what_their_encoding_lacks(monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for encoding in ("cp1252", "ascii")]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    print_in_any_encoding()
    for stream in streams:
        print("≤ é мы… \udcff", file=stream, flush=True)
    assert streams[0].buffer.getvalue() == b"<= \xe9 \\u043c\\u044b\x85 \\udcff" + os.linesep.encode()
    assert streams[1].buffer.getvalue() == b"<= \\xe9 \\u043c\\u044b... \\udcff" + os.linesep.encode()


def test_an_error_handler_of_the_user_stays(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    monkeypatch.setattr(sys, "stdout", stream)
    print_in_any_encoding()
    assert stream.errors == "replace" != HANDLER


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["code page 1252", "ASCII", "locale C"],
)
def test_a_terminal_of_another_encoding_gets_replacements(tmp_path, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    write_grid(tmp_path / "a.TextGrid", [("words", "мы")])
    write_grid(tmp_path / "b.TextGrid", [("words", "<мы>")])
    program = "import sys; from align_eval.cli import main; sys.argv = ['align-eval', *sys.argv[1:]]; main()"
    for arguments, code, expected in (
        (["score", tmp_path / "a.TextGrid", tmp_path / "a.TextGrid"], 0, "<= 50 ms"),
        (["lint", tmp_path], 0, r"<\u043c\u044b> 1"),
        (["lint", tmp_path, "--json"], 0, r"\u043c\u044b"),
        (["--help"], 0, "Usage: "),
        (["lint", "missing-ы"], 2, ": there is no such file or folder"),
    ):
        done = start("-c", program, *arguments)
        assert done.returncode == code, done
        assert expected in done.stdout + done.stderr
        if "--json" in arguments:
            assert json.loads(done.stdout)["dropped"] == {"<мы>": 1}


def test_a_file_whose_name_is_not_utf_8_is_one_failure(tmp_path):
    for name in (b"a", b"caf\xe9"):
        for suffix in (".flac", ".TextGrid"):
            shutil.copy(DEMO / f"en_arctic_a0007{suffix}", tmp_path / os.fsdecode(name + suffix.encode()))
    done = align_eval("score", tmp_path, tmp_path, "--out", tmp_path / "run")
    assert done.returncode == 2
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert {failure["id"] for failure in run["failures"]} == {r"caf\udce9"}
    assert r"the name 'caf\udce9' cannot name a file" in run["failures"][0]["message"]
    assert align_eval("lint", tmp_path / "run").returncode == 0


@EACH_ATTACK
def test_warnings_are_one_escaped_line(monkeypatch, attack):
    from align_eval.reporting.terminal import list as listing

    def warning(_: str) -> list[str]:
        warnings.warn(InputWarning(f"a  b {attack}"), stacklevel=1)
        warnings.warn(f"of a library:\n   {attack}\n", UserWarning, stacklevel=1)
        return []

    monkeypatch.setattr(listing, "listing", warning)
    first, second = align_eval("list", "sources").stderr.splitlines()
    assert first.startswith("warning: a  b ")
    assert second.startswith("warning: of a library: ")
    assert obeyed(first) + obeyed(second) == []


@EACH_ATTACK
def test_the_traceback_of_a_bug_is_escaped(monkeypatch, attack):
    from align_eval.reporting.terminal import list as listing

    def failing(_: str) -> list[str]:
        raise ValueError(attack)

    monkeypatch.setattr(listing, "listing", failing)
    done = align_eval("list", "sources")
    assert done.returncode == 70
    assert obeyed(done.stderr) == []


@pytest.mark.parametrize(
    "text", ["$x^{$", r"$\frac$", "a $b$ c", r"\$", "_^{}", "\x1b[31m\n\x00", "a\ud800", "\u202ea"], ids=ascii
)
def test_text_in_figures_is_text(tmp_path, text):
    """Also where the user's matplotlib hands text to TeX, which can read files and start programs."""
    import matplotlib as mpl

    tier = Tier(text, "reference", [Word(text, 0.0, 5.0)])
    for suffix in ("svg", "png", "pdf"):
        with mpl.rc_context({"text.usetex": True}):
            save(utterance_figure(text, [text], None, [tier], []), tmp_path / f"a.{suffix}")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert svg.count(f">{printable(text)}</text>") == 3  # title, tier, word


def test_characters_that_a_font_lacks_are_one_warning(tmp_path):
    figure = utterance_figure("", [], None, [Tier("你好世界", "reference", [Word("再见", 0.0, 5.0)])], [])
    with pytest.warns(InputWarning, match="the font lacks 6 of the characters") as caught:
        save(figure, tmp_path / "a.png")
    assert len(caught) == 1
