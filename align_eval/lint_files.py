"""Lint of word times in files and in finished runs: implausible times, found without a reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from align_eval.corpus.folder import count_marks
from align_eval.corpus.word_files import WordFiles, read_word_files
from align_eval.formats.textgrids import Tiers
from align_eval.records import Failure
from align_eval.scoring.lint import LintFinding, lint_words
from align_eval.text import DEFAULT_POLICY, LabelPolicy


@dataclass(frozen=True, slots=True)
class Linted:
    """Lint findings with the number of words that were checked.

    ``form`` is the form of the files, ``run`` for the folder of a run. ``failures`` lists the files that could not be
    read. ``dropped`` counts the labels that are no words.
    """

    form: str
    n_words: int
    findings: tuple[LintFinding, ...]
    failures: tuple[Failure, ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()


def lint_path(
    path: str | Path, *, form: str | None = None, tier: Tiers = None, labels: LabelPolicy = DEFAULT_POLICY
) -> Linted:
    """Find implausible word times in a file, a folder of files, or a finished run.

    Parameters
    ----------
    path : str or Path
        A file, a folder of files, or a run folder.
    form : str, optional
        Format of the files, as ``align-eval list formats`` prints them; detected from their content if None.
    tier : str or sequence of str, optional
        Tiers of TextGrids by name or number, or kind of Lhotse alignments.
    labels : LabelPolicy
        What is a word (:func:`~align_eval.text.label_policy`).

    Returns
    -------
    Linted
        The findings, with the number of words checked, the format, and the files that cannot be read.

    Raises
    ------
    InputError
        If nothing can be read.
    """
    folder = Path(path)
    if form is None and (folder / "run.json").is_file():
        return _lint_run(folder)
    files = read_word_files(folder, form, tier, labels)
    findings = tuple(lint_word_files(files, {}))
    return Linted(files.form, files.n_words, findings, files.failures, count_marks(files.dropped))


def lint_word_files(files: WordFiles, ends_s: Mapping[str, float]) -> Iterator[LintFinding]:
    """Find implausible word times in files.

    Parameters
    ----------
    ends_s
        Ends of recordings in seconds, by name; for other recordings the end that their file states, if any.
    """
    for id_, transcript in files.transcripts.items():
        yield from lint_words(transcript.words, str(files.paths[id_]), ends_s.get(id_, transcript.end_s))


def _lint_run(folder: Path) -> Linted:
    from align_eval.formats.run.words_table import SAID_COLUMNS, read_words_table, words_said

    table = read_words_table(folder / "words.parquet")
    rows = table.select([*SAID_COLUMNS, "offset_s", "duration_s"]).to_pylist()
    # ends are on the clock of the audio file, as the words are
    ends_s = {row["utterance"]: row["offset_s"] + row["duration_s"] for row in rows}
    words_by_key = words_said(rows)
    findings = tuple(
        finding
        for (utterance, system), words in words_by_key.items()
        for finding in lint_words(words, f"{utterance}, {system.source} | {system.align}", ends_s[utterance])
    )
    return Linted("run", sum(map(len, words_by_key.values())), findings)
