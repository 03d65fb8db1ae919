"""Scoring what any system gave, as files, against reference words: the run is made without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from align_eval.corpus.word_files import language_code, pair_names, read_given, read_reference
from align_eval.errors import InputError
from align_eval.formats.run.folder import SCHEMA_VERSION
from align_eval.formats.run.words_table import words_table
from align_eval.lint_files import lint_given
from align_eval.records import Failure, GivenWord, Pairing, Run, System, Transcript, Utterance
from align_eval.scoring.lint import LintFinding
from align_eval.scoring.pairing import pair_words
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_table
from align_eval.signature import given_signature, run_environment

ALIGN = "given"
TEXT = "hypothesis"

MAX_WORDS = 50_000
"""So many words of one recording are paired at most: some five hours of speech, and half a minute of computation."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A run with the words that it was scored from, the form that the files had, and what lint found in them."""

    run: Run
    words: pa.Table
    form: str
    lint: tuple[LintFinding, ...]
    n_words: int


def score_given(
    reference: str | Path,
    hypothesis: str | Path,
    *,
    name: str | None = None,
    form: str | None = None,
    reference_form: str | None = None,
    tier: str | None = None,
    hypothesis_tier: str | None = None,
    language: str | None = None,
    speaker_characters: int | None = None,
    seed: int = 0,
    protocols: Mapping[str, Protocol] | None = None,
) -> Scored:
    """Score files of word times against reference words.

    Parameters
    ----------
    reference
        A bundled corpus, a folder of audio with TextGrids, or files of any form.
    hypothesis
        A file or a folder; recordings are paired by name, a file and a file of one recording each whatever theirs.
    name
        Name of the system, as ``source`` of the scores; that of the form where None.
    form, reference_form
        Forms of the files, as ``align-eval list formats`` has them; found by content where None.
    tier, hypothesis_tier
        Tier of TextGrids, or kind of Lhotse's alignments.
    language
        Whisper's code, where no file says it; decides how words are normalised before they are paired.
    speaker_characters
        The speaker is that many first characters of the recording's name.
    protocols
        Protocols of one's own, by name, beside those that are built in.

    Raises
    ------
    InputError
        Where nothing can be scored. A recording without a partner, or a bad file of a folder, is listed in
        ``run.failures``; words of references without a partner count against coverage.
    """
    truth = read_reference(
        str(reference), form=reference_form, tier=tier, language=language, speaker_characters=speaker_characters
    )
    given = read_given(Path(hypothesis), form, hypothesis_tier)
    ids = [u.id for u in truth.corpus.utterances]
    if not ids:
        listed = "; ".join(failure.message for failure in truth.corpus.failures[:3])
        raise InputError(reference, f"has no usable words: {listed}", "mend what is listed")
    pairs = pair_names(ids, given.transcripts)
    if len(ids) == len(given.transcripts) == 1 and Path(reference).is_file() and Path(hypothesis).is_file():
        pairs = {ids[0]: next(iter(given.transcripts))}
    if not pairs:
        problem = f"has no recording of the reference's: it has {_listed(given.transcripts)}, not {_listed(ids)}"
        raise InputError(hypothesis, problem, "name its files as those of the reference")
    system = System(_system_name(name or given.form), ALIGN)
    failures = [*truth.corpus.failures, *given.failures]
    utterances: list[Utterance] = []
    results: dict[str, dict[System, tuple[GivenWord, ...]]] = {}
    pairings: dict[str, dict[System, Pairing]] = {}
    for u in truth.corpus.utterances:
        partner = pairs.get(u.id)
        if partner is None:
            failures.append(
                Failure(u.id, f"{u.audio.path}: {hypothesis} has nothing named {u.id!r}; its words count as lost")
            )
            utterances.append(u)
            continue
        transcript, place = given.transcripts[partner], given.places[partner]
        utterance = _utterance(u, transcript, known_end=u.id in truth.ends_s)
        utterances.append(utterance)
        try:
            pairings[u.id] = {system: _paired(utterance, transcript, place)}
            results[u.id] = {system: transcript.words}
        except InputError as error:
            failures.append(Failure(u.id, str(error)))
    for id_ in sorted(set(given.transcripts) - set(pairs.values())):
        failures.append(Failure(id_, f"{given.places[id_]}: {reference} has nothing named {id_!r}; it is not scored"))
    words = words_table(utterances, [system], results, pairings)
    run = Run(
        schema=SCHEMA_VERSION,
        signature=given_signature(
            system,
            form=given.form,
            hypothesis_checksum=given_checksum(given.transcripts),
            text=TEXT,
            corpus=truth.corpus.name,
            corpus_checksum=truth.checksum,
            seed=seed,
            protocols=PROTOCOLS | dict(protocols or {}),
        ),
        rows=score_table(words, text=TEXT, seed=seed, protocols=protocols),
        failures=tuple(failures),
        environment=run_environment(),
    )
    ends_s = {partner: truth.ends_s[id_] for id_, partner in pairs.items() if id_ in truth.ends_s}
    return Scored(run, words, given.form, tuple(lint_given(given, ends_s)), given.n_words)


def given_checksum(transcripts: Mapping[str, Transcript]) -> str:
    """SHA-256 over words and times, whatever form they came in, in the order of names."""
    digest = hashlib.sha256()
    for id_ in sorted(transcripts):
        words = [(word.text, word.start_s, word.end_s) for word in transcripts[id_].words]
        digest.update(repr((id_, words)).encode())
    return digest.hexdigest()


def _utterance(u: Utterance, transcript: Transcript, *, known_end: bool) -> Utterance:
    """The reference utterance, with the language that only its partner says, and at least as long as its partner."""
    last_s = max((word.end_s or 0.0 for word in transcript.words), default=0.0)
    return replace(
        u,
        language=u.language or language_code(transcript.language),
        duration_s=u.duration_s if known_end else max(u.duration_s, last_s),
    )


def _paired(u: Utterance, transcript: Transcript, place: Path) -> Pairing:
    for words, where in ((u.words, u.audio.path), (transcript.words, place)):
        if len(words) > MAX_WORDS:
            problem = f"has {len(words)} words of one recording ({u.id}), of which {MAX_WORDS} can be paired"
            raise InputError(where, problem, "cut the recording into shorter ones")
    return pair_words([word.text for word in u.words], [word.text for word in transcript.words], u.language)


def _system_name(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise InputError(f"--name {name!r}", "is no name", "give one that can be printed")
    return name.strip()


def _listed(names: Iterable[str], most: int = 3) -> str:
    known = sorted(names)
    shown = ", ".join(map(repr, known[:most]))
    return f"{shown} and {len(known) - most} more" if len(known) > most else shown
