"""Scores of word times that any system wrote to files, against reference words; no model is loaded."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import beside
from align_eval.corpus.folder import TEXTGRID_SUFFIX
from align_eval.corpus.readers.mfa import speaker_tiers
from align_eval.corpus.reference_words import Reference, read_reference
from align_eval.corpus.word_files import WordFiles, pair_names, read_word_files
from align_eval.edit_alignment import word_times
from align_eval.errors import InputError, InputWarning, listed, naming_options, with_options
from align_eval.formats.praat import read_textgrid
from align_eval.formats.run.folder import SCHEMA_VERSION
from align_eval.formats.run.words_table import words_table
from align_eval.formats.textgrids import Tiers, tier_options
from align_eval.language_names import NAMES, whisper_code
from align_eval.lint_files import lint_word_files
from align_eval.records import (
    AUTO,
    Failure,
    HypothesisWord,
    Pairing,
    SystemName,
    Transcript,
    Utterance,
    Word,
    listed_failures,
)
from align_eval.run_record import Run
from align_eval.scoring.lint import LintFinding, lint_words
from align_eval.scoring.pairing import only_reference_words, pair_words
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_table
from align_eval.signature import files_signature, run_environment
from align_eval.text import DEFAULT_POLICY, LabelPolicy

ALIGN = "given"
"""Alignment of the system in ``words.parquet`` and signatures: its words come with their times."""

TEXT = "hypothesis"

REFERENCE_OPTIONS = {"--format": "--reference-format"}
HYPOTHESIS_OPTIONS = {"--tier": "--hypothesis-tier"}
"""Options of ``score`` that have other names for this side than in the messages of the readers."""

MAX_WORDS = 50_000
"""Most words of one recording that are paired: about five hours of speech, and half a minute of computation."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A run that was scored from files.

    Attributes
    ----------
    run : Run
        Score rows, signature and failures.
    words : pyarrow.Table
        The words that were scored, as in ``words.parquet``.
    form : str
        Form of the hypothesis files.
    lint : tuple of LintFinding
        Implausible word times of the hypothesis.
    n_words : int
        Number of words in the hypothesis files.
    dropped : dict
        Labels that are no words, with their numbers, of ``reference`` and ``hypothesis``.
    untimed : tuple of LintFinding
        Words of the reference without usable times, which are not scored.
    rounded : mapping of str to int
        Number of times that lint took as rounding, by rule.
    """

    run: Run
    words: pa.Table
    form: str
    lint: tuple[LintFinding, ...]
    n_words: int
    dropped: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    untimed: tuple[LintFinding, ...] = ()
    rounded: Mapping[str, int] = field(default_factory=dict)


def score_hypothesis(
    reference: str | Path,
    hypothesis: str | Path,
    *,
    name: str | None = None,
    form: str | None = None,
    reference_form: str | None = None,
    kind: str | None = None,
    tier: Tiers = None,
    hypothesis_tier: Tiers = None,
    language: str | None = None,
    speaker_characters: int | None = None,
    labels: LabelPolicy = DEFAULT_POLICY,
    seed: int = 0,
    protocols: Mapping[str, Protocol] | None = None,
) -> Scored:
    """Score files of word times against reference words.

    Parameters
    ----------
    reference : str or Path
        A bundled corpus, a folder of audio with TextGrids, or files of any format.
    hypothesis : str or Path
        A file or a folder. Recordings are paired by name; a single file is paired with a single reference file whatever
        their names.
    name : str, optional
        Name of the system, the ``source`` of the scores; the form of the files if None.
    form, reference_form : str, optional
        Formats of the files, as ``align-eval list formats`` prints them; detected from their content if None.
    kind : str, optional
        Kind of corpus of a reference with audio; detected if None.
    tier, hypothesis_tier : str or sequence of str, optional
        Tiers of TextGrids by name or number, or kind of Lhotse alignments. The words of several tiers are merged into
        one recording in the order of their starts.
    language : str, optional
        Name or code of the language where no file of the reference states it; it decides how words are normalised
        before pairing.
    speaker_characters : int, optional
        Number of leading characters of the recording's name that are the speaker.
    labels : LabelPolicy
        Labels to keep or to drop, on both sides (:func:`~align_eval.text.label_policy`).
    seed : int
        Seed of the bootstrap.
    protocols : mapping of str to Protocol, optional
        Further protocols by name, in addition to the built-in ones.

    Returns
    -------
    Scored
        The run, its words table, and implausible word times of the hypothesis.

    Raises
    ------
    InputError
        If nothing can be scored. A recording without a partner, or a malformed file of a folder, is listed in
        ``run.failures``; reference words without a partner count against coverage.
    """
    with naming_options(REFERENCE_OPTIONS):
        truth = read_reference(
            str(reference),
            kind=kind,
            form=reference_form,
            tier=tier,
            language=language,
            speaker_characters=speaker_characters,
            labels=labels,
        )
    with naming_options(HYPOTHESIS_OPTIONS):
        files = read_word_files(Path(hypothesis), form, hypothesis_tier, labels)
    truth = _without_auto(truth)
    _warn_of_language(truth, files, reference)
    partners = _pair_recordings(truth, files, reference, hypothesis)
    system = SystemName(_system_name(name or files.form), ALIGN)
    paired = _pair_all_words(truth, files, partners, hypothesis)
    words = words_table(
        paired.utterances,
        [system],
        {id_: {system: hypothesis_words} for id_, hypothesis_words in paired.words.items()},
        {id_: {system: pairing} for id_, pairing in paired.pairings.items()},
    )
    run = Run(
        schema=SCHEMA_VERSION,
        signature=files_signature(
            system,
            form=files.form,
            hypothesis_checksum=hypothesis_checksum(files.transcripts),
            text=TEXT,
            corpus=truth.corpus.name,
            corpus_checksum=truth.checksum,
            seed=seed,
            protocols=PROTOCOLS | dict(protocols or {}),
        ),
        rows=score_table(words, text=TEXT, seed=seed, protocols=protocols),
        failures=(
            *_with_options(truth.corpus.failures, REFERENCE_OPTIONS),
            *_with_options(files.failures, HYPOTHESIS_OPTIONS),
            *paired.failures,
            *_without_reference(files, partners, reference),
        ),
        environment=run_environment(),
    )
    ends_s = {partner: truth.ends_s[id_] for id_, partner in partners.items() if id_ in truth.ends_s}
    linted = lint_word_files(files, ends_s)
    return Scored(
        run,
        words,
        files.form,
        linted.findings,
        files.n_words,
        dropped={"reference": truth.corpus.marks, "hypothesis": linted.dropped},
        untimed=tuple(_untimed(truth)),
        rounded=linted.rounded,
    )


def hypothesis_checksum(transcripts: Mapping[str, Transcript]) -> str:
    """SHA-256 over words and times in the order of names, whatever the form of the files."""
    digest = hashlib.sha256()
    for id_ in sorted(transcripts):
        words = [(word.text, word.start_s, word.end_s) for word in transcripts[id_].words]
        digest.update(repr((id_, words)).encode())
    return digest.hexdigest()


def _pair_recordings(
    truth: Reference, files: WordFiles, reference: str | Path, hypothesis: str | Path
) -> dict[str, str]:
    """Name of the hypothesis recording by the id of its reference utterance; refuses inputs without a common name."""
    ids = [u.id for u in truth.corpus.utterances]
    if not ids:
        messages = listed_failures(_with_options(truth.corpus.failures, REFERENCE_OPTIONS))
        raise InputError(reference, f"has no usable words: {messages}", "correct these files")
    partners = pair_names(ids, files.transcripts)
    if len(ids) == len(files.transcripts) == 1 and Path(reference).is_file() and Path(hypothesis).is_file():
        partners = {ids[0]: next(iter(files.transcripts))}
    if not partners:
        has, lacks = (listed(map(repr, sorted(names)), most=3) for names in (files.transcripts, ids))
        problem = f"has no recording of the reference: it has {has}, not {lacks}"
        raise InputError(hypothesis, problem, _remedy_for_names(truth, files))
    return partners


def _remedy_for_names(truth: Reference, files: WordFiles) -> str:
    """Remedy where no recording has a partner; of a corpus that is cut by speaker, whole recordings can be scored."""
    for recording in sorted({u.recording for u in truth.corpus.utterances if truth.corpus.kind == "mfa"}):
        if pair_names([recording], files.transcripts):
            path = next(u.audio.path for u in truth.corpus.utterances if u.recording == recording)
            (grid_path,) = beside(path, TEXTGRID_SUFFIX)
            grid, _ = read_textgrid(grid_path)
            options = tier_options([str(tier.name) for tier in grid.tiers], speaker_tiers(grid))
            return f"to score whole recordings, name the tiers of all speakers: {options}"
    return "name its files as those of the reference"


def _with_options(failures: Iterable[Failure], options: Mapping[str, str]) -> list[Failure]:
    return [replace(failure, message=with_options(failure.message, options)) for failure in failures]


@dataclass(frozen=True, slots=True)
class _Paired:
    """All reference utterances, and by their ids the hypothesis words and pairings of those that could be paired."""

    utterances: list[Utterance] = field(default_factory=list)
    words: dict[str, tuple[HypothesisWord, ...]] = field(default_factory=dict)
    pairings: dict[str, Pairing] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def _pair_all_words(truth: Reference, files: WordFiles, partners: Mapping[str, str], hypothesis: str | Path) -> _Paired:
    """Pair the words of every reference utterance with those of its partner."""
    paired = _Paired()
    for u in truth.corpus.utterances:
        path = truth.paths[u.id]
        if u.id not in partners:
            problem = f"{hypothesis} has nothing named {u.id!r}; its words count as lost"
            paired.failures.append(Failure(u.id, f"{path}: {problem}"))
            paired.utterances.append(u)
            continue
        partner = partners[u.id]
        transcript = files.transcripts[partner]
        utterance = u if u.id in truth.ends_s else replace(u, duration_s=_end_s(u, transcript))
        paired.utterances.append(utterance)
        try:
            spoken = u.spoken or u.words
            paired.pairings[u.id] = _pair_words(utterance, spoken, path, transcript, files.paths[partner])
            paired.words[u.id] = transcript.words
        except Exception as error:
            paired.failures.append(failure_of(u.id, error))
    return paired


def _end_s(u: Utterance, transcript: Transcript) -> float:
    """End of a recording of unknown length: that of the last word of either side."""
    return max([u.duration_s, *(word.end_s for word in transcript.words if word.end_s is not None)])


def _without_auto(truth: Reference) -> Reference:
    """Leave out the language ``auto``: without a model nothing detects it."""
    utterances = tuple(replace(u, language=None) if u.language == AUTO else u for u in truth.corpus.utterances)
    return replace(truth, corpus=replace(truth.corpus, utterances=utterances))


def _warn_of_language(truth: Reference, files: WordFiles, reference: str | Path) -> None:
    """Warn if the reference states no language and the hypothesis states another than English.

    A hypothesis does not choose the rules by which it is scored: a system may mistake the language.
    """
    claims = Counter(whisper_code(transcript.language) for transcript in files.transcripts.values())
    claimed = next((code for code, _ in claims.most_common() if code not in (None, "en")), None)
    if claimed and any(u.language is None for u in truth.corpus.utterances):
        name = NAMES[claimed][0].title()
        message = f"{reference}: states no language, so that words are compared by the rules of English; the hypothesis"
        warnings.warn(f"{message} is in {name}: if that is right, use --language {claimed}", InputWarning, stacklevel=3)


def _pair_words(
    u: Utterance,
    spoken: Sequence[Word | HypothesisWord],
    reference_path: Path,
    transcript: Transcript,
    hypothesis_path: Path,
) -> Pairing:
    for words, path in ((spoken, reference_path), (transcript.words, hypothesis_path)):
        if len(words) > MAX_WORDS:
            problem = f"has {len(words)} words of one recording ({u.id}), of which {MAX_WORDS} can be paired"
            raise InputError(path, problem, "cut the recording into shorter ones")
    times = word_times(spoken), word_times(transcript.words)
    pairing = pair_words([w.text for w in spoken], [w.text for w in transcript.words], u.language, times)
    return only_reference_words(pairing, [word.start_s is not None and word.end_s is not None for word in spoken])


def _untimed(truth: Reference) -> Iterator[LintFinding]:
    for u in truth.corpus.utterances:
        yield from (f for f in lint_words(u.spoken, str(truth.paths[u.id])) if f.rule == "untimed")


def _without_reference(files: WordFiles, partners: Mapping[str, str], reference: str | Path) -> list[Failure]:
    return [
        Failure(id_, f"{files.paths[id_]}: {reference} has nothing named {id_!r}; it is not scored")
        for id_ in sorted(set(files.transcripts) - set(partners.values()))
    ]


def _system_name(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise InputError(f"--name {name!r}", "is not a name", "use printable characters")
    return name.strip()
