"""Progress as lines and as a bar."""

import re
from io import StringIO

import pytest
from rich.console import Console

from align_eval.cli.progress import progress


def shown(ids: list[str], total: int, **console: object) -> str:
    file = StringIO()
    with progress(total, Console(file=file, width=100, **console)) as done:
        for id_ in ids:
            done(id_)
    return file.getvalue()


def test_without_a_terminal_each_utterance_is_a_plain_line_with_count_and_rate():
    lines = shown(["s1/a", "s1/b", "s2/c"], total=4).splitlines()
    assert len(lines) == 3
    for i, (line, id_) in enumerate(zip(lines, ["s1/a", "s1/b", "s2/c"], strict=True), start=1):
        assert re.fullmatch(rf"\[{i}/4\] {id_}  \d+\.\d\d/s, \d+ s left", line)


def test_no_time_remains_after_the_last_utterance():
    assert shown(["a", "b"], total=2).splitlines()[-1].endswith(", 0 s left")


@pytest.mark.parametrize("id_", ["take[red]1", "[/b]", "x" * 300])
def test_without_a_terminal_an_id_is_printed_whole_and_without_markup(id_):
    (line,) = shown([id_], total=1).splitlines()
    assert line.startswith(f"[1/1] {id_}  ")


def test_on_a_terminal_there_is_a_bar_with_the_last_id_and_the_count():
    text = shown(["s1/a", "s1/b", "s2/c"], total=3, force_terminal=True)
    assert "━━━" in text
    assert "s2/c" in text
    assert "3/3" in text
    assert "[1/3]" not in text


def test_an_interrupted_bar_shows_the_cursor_again():
    file = StringIO()

    def interrupted() -> None:
        with progress(3, Console(file=file, force_terminal=True)) as done:
            done("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    hidden, shown_again = "\x1b[?25l", "\x1b[?25h"
    assert file.getvalue().rindex(shown_again) > file.getvalue().rindex(hidden)


def test_nothing_goes_to_standard_output(capsys):
    with progress(1) as done:
        done("a")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a" in captured.err


@pytest.mark.parametrize("id_", ["take[red]1", "a[/x]", "c:100:"])
def test_the_bar_shows_ids_without_markup(id_):
    assert id_ in shown([id_, id_], total=2, force_terminal=True)
