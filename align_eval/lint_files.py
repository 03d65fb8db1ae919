"""Implausible word times in files and finished runs. Nothing is paired or scored, and little is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.word_files import Given, read_given
from align_eval.records import Failure
from align_eval.scoring.lint import LintFinding, lint_words


@dataclass(frozen=True, slots=True)
class Linted:
    """Findings of lint, with the number of words checked. ``form`` is that of the files, ``run`` for a run folder."""

    form: str
    n_words: int
    findings: tuple[LintFinding, ...]
    failures: tuple[Failure, ...] = ()


def lint_path(path: str | Path, *, form: str | None = None, tier: str | None = None) -> Linted:
    """Find implausible word times in a file, a folder of files, or a finished run.

    Raises
    ------
    InputError
        Where nothing can be read.
    """
    folder = Path(path)
    if form is None and (folder / "run.json").is_file():
        return _lint_run(folder)
    given = read_given(folder, form, tier)
    return Linted(given.form, given.n_words, tuple(lint_given(given, {})), given.failures)


def lint_given(given: Given, ends_s: Mapping[str, float]) -> Iterator[LintFinding]:
    """Findings in the words of files; ``ends_s`` are the ends of recordings that the files do not know."""
    for id_, transcript in given.transcripts.items():
        yield from lint_words(transcript.words, str(given.places[id_]), ends_s.get(id_, transcript.end_s))


def _lint_run(folder: Path) -> Linted:
    from align_eval.formats.run.words_table import SAID_COLUMNS, read_words_table, words_said

    table = read_words_table(folder / "words.parquet")
    rows = table.select([*SAID_COLUMNS, "offset_s", "duration_s"]).to_pylist()
    # on the file's clock, as words
    ends_s = {row["utterance"]: row["offset_s"] + row["duration_s"] for row in rows}
    said = words_said(rows)
    findings = tuple(
        finding
        for (utterance, system), words in said.items()
        for finding in lint_words(words, f"{utterance}, {system.source} | {system.align}", ends_s[utterance])
    )
    return Linted("run", sum(map(len, said.values())), findings)
