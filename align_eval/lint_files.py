"""Lint of word times in files and in finished runs: implausible times, found without a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from align_eval.corpus.folder import count_marks
from align_eval.corpus.word_files import WordFiles, read_word_files
from align_eval.formats.run.staging import holds_run
from align_eval.formats.textgrids import Tiers
from align_eval.records import Failure, HypothesisWord
from align_eval.scoring.lint import TOLERANCE_S, LintFinding, lint_recording
from align_eval.text import DEFAULT_POLICY, LabelPolicy


@dataclass(frozen=True, slots=True)
class Linted:
    """Lint findings with the number of words that were checked.

    ``form`` is the form of the files, ``run`` for the folder of a run. ``failures`` lists the files that could not be
    read. ``dropped`` counts the labels that are no words. ``rounded`` counts the times that were taken as rounding, by
    rule; ``tolerance_s`` is the largest overlap in seconds that was.
    """

    form: str
    n_words: int
    findings: tuple[LintFinding, ...]
    failures: tuple[Failure, ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()
    rounded: Mapping[str, int] = field(default_factory=dict)
    tolerance_s: float = TOLERANCE_S


def lint_path(
    path: str | Path,
    *,
    form: str | None = None,
    tier: Tiers = None,
    labels: LabelPolicy = DEFAULT_POLICY,
    tolerance_s: float = TOLERANCE_S,
    edited: bool = False,
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
        Labels to keep or to drop (:func:`~align_eval.text.label_policy`).
    tolerance_s : float
        Overlap of words in seconds up to which it is taken as rounding.
    edited : bool
        Accept a run whose files were changed since it was written.

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
    if form is None and holds_run(folder):
        return _lint_run(folder, tolerance_s, edited=edited)
    return lint_word_files(read_word_files(folder, form, tier, labels), {}, tolerance_s)


def lint_word_files(files: WordFiles, ends_s: Mapping[str, float], tolerance_s: float = TOLERANCE_S) -> Linted:
    """Find implausible word times in files.

    Parameters
    ----------
    ends_s
        Ends of recordings in seconds, by name; for other recordings the end that their file states, if any.
    tolerance_s
        Overlap of words in seconds up to which it is taken as rounding.
    """
    recordings = (
        (str(files.paths[id_]), transcript.words, ends_s.get(id_, transcript.end_s))
        for id_, transcript in files.transcripts.items()
    )
    linted = _linted(files.form, recordings, tolerance_s)
    return replace(linted, failures=files.failures, dropped=count_marks(files.dropped))


def _linted(
    form: str, recordings: Iterable[tuple[str, Sequence[HypothesisWord], float | None]], tolerance_s: float
) -> Linted:
    """Lint recordings: the name that findings give, the words, and the end in seconds if it is known."""
    n_words, rounded = 0, Counter[str]()
    findings: list[LintFinding] = []
    for name, words, end_s in recordings:
        n_words += len(words)
        found, n_rounded = lint_recording(words, name, end_s, tolerance_s=tolerance_s)
        findings += found
        rounded += n_rounded
    return Linted(form, n_words, tuple(findings), rounded=dict(rounded), tolerance_s=tolerance_s)


def _lint_run(folder: Path, tolerance_s: float, *, edited: bool) -> Linted:
    from align_eval.formats.run.folder import read_run
    from align_eval.formats.run.words_table import SAID_COLUMNS, read_words_table, words_said

    read_run(folder, edited=edited)
    table = read_words_table(folder / "words.parquet")
    rows = table.select([*SAID_COLUMNS, "offset_s", "duration_s"]).to_pylist()
    # ends are on the clock of the audio file, as the words are
    ends_s = {row["utterance"]: row["offset_s"] + row["duration_s"] for row in rows}
    recordings = (
        (f"{utterance}, {system.source} | {system.align}", words, ends_s[utterance])
        for (utterance, system), words in words_said(rows).items()
    )
    return _linted("run", recordings, tolerance_s)
