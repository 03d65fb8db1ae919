"""The library's calls: align one recording, explain it, evaluate systems on a corpus."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from align_eval.corpus.audio import Samples, check_channel, read_audio, warn_of_faults
from align_eval.errors import InputError
from align_eval.language_names import check_language
from align_eval.options import RunOptions
from align_eval.pipeline import Speech, align_speech, maps_of_passes, passes_of, sources_of, words
from align_eval.records import AudioSpan, SystemName, Word
from align_eval.run_record import Run
from align_eval.systems import ALIGN, BEST, make_systems, with_heads
from align_eval.text import split_words

if TYPE_CHECKING:
    import pyarrow as pa
    from whisper.model import Whisper

    from align_eval.corpus.folder import Corpus
    from align_eval.engine.journal import Journal
    from align_eval.formats.run.maps import SavedMaps
    from align_eval.scoring.protocols import Protocol


@dataclass(frozen=True, slots=True)
class Explained:
    """One recording with its maps.

    Attributes
    ----------
    samples : float32[n_samples]
        Mono at 16 kHz.
    texts : tuple of str
        The words of the text.
    words : dict of SystemName to tuple of Word
        Their times by system.
    maps : SavedMaps
        The mean map of every source.
    """

    samples: Samples
    texts: tuple[str, ...]
    words: dict[SystemName, tuple[Word, ...]]
    maps: SavedMaps


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of systems on a corpus, with the words behind them.

    Attributes
    ----------
    run : Run
        Signature, score rows and failures.
    words : pyarrow.Table
        One row per word, system and utterance.
    details : dict
        Evidence that sources give about themselves, by utterance id and source.
    languages : dict
        Detected languages and their probabilities, by utterance id.
    """

    run: Run
    words: pa.Table
    details: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    languages: dict[str, dict[str, Any]] = field(default_factory=dict)


def align(
    model: Whisper | str | Path,
    audio: str | Path | Samples,
    text: str,
    *,
    source: str = BEST,
    align: str = ALIGN,
    language: str | None = None,
    channel: int | None = None,
) -> tuple[Word, ...]:
    """Times of the words of a known text.

    Parameters
    ----------
    model : Whisper, str or Path
        A model from :func:`~align_eval.load_model`, or its argument.
    audio : str, Path or float32[n_samples]
        An audio file, or mono samples at 16 kHz from -1 to 1; at most 30 s.
    text : str
        The spoken words, separated by white space; in a language without spaces, its characters are the words.
    source, align : str
        Specs, as ``attention:heads=all`` and ``dtw``. A preset's name may stand in place of ``align``. The default is
        attention of the heads that were chosen for the model's weights, with the path with silence; for other weights,
        a warning says that the model's alignment heads are used.
    language : str, optional
        Name or code of the language, or ``auto`` to detect it; multilingual models need it.
    channel : int, optional
        Channel of an audio file, counted from 0; by default the mean of all channels. Samples in memory have none.

    Returns
    -------
    tuple of Word
        One per word of the text, with times in seconds and the mean probability of its tokens as confidence.

    Raises
    ------
    InputError
        Where audio, text, model or spec cannot be used.

    Examples
    --------
    >>> model = load_model("tiny.en")  # doctest: +SKIP
    >>> align(model, "speech.wav", "and you always want to see it")  # doctest: +SKIP
    """
    make_systems([with_heads(source, "alignment")], [align])  # refused before the model is loaded
    from align_eval.engine.head_choice import with_chosen_heads

    if not isinstance(text, str):
        raise InputError("text", f"is a {type(text).__name__}", "give one string, words separated by white space")
    if isinstance(model, str | Path):
        from align_eval.model.load import load_model

        model = load_model(model)
    (system,) = make_systems(with_chosen_heads(model, [source]), [align])
    speech = _speech(model, audio, text, language, channel)
    return align_speech(model, speech, [system])[system]


def explain(
    model: Whisper,
    audio: Path,
    text: str,
    sources: Sequence[str],
    align: str,
    language: str | None = None,
    channel: int | None = None,
) -> Explained:
    """Maps and word times of one recording of at most 30 s, for figures.

    Parameters
    ----------
    model : Whisper
    audio : Path
    text : str
        The spoken words, as of :func:`align`.
    sources : sequence of str
        Specs of relevance sources.
    align : str
        Spec of the aligner of every source.
    language, channel : optional
        As of :func:`align`.

    Raises
    ------
    InputError
        Where audio, text or a spec cannot be used.
    """
    from align_eval.engine.head_choice import with_chosen_heads
    from align_eval.engine.saved_maps import StackCollector

    systems = make_systems(with_chosen_heads(model, sources), [align])
    speech = _speech(model, audio, text, language, channel)
    collector = StackCollector("maps")
    maps = maps_of_passes(model, passes_of(model, speech), collector.add)(sources_of(systems))
    timed = words(speech.samples, speech.texts, systems, lambda _: maps)
    saved = collector.saved(speech.samples, maps)
    return Explained(speech.samples, speech.texts, {system.name: of for system, of in timed.items()}, saved)


def evaluate(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    channel: int | None = None,
    protocols: Mapping[str, Protocol] | None = None,
    on_maps: Callable[[str, SavedMaps], None] | None = None,
    on_done: Callable[[str], None] | None = None,
    journal: Journal | None = None,
    **options: Any,
) -> Evaluation:
    """Derive word times by every system, and score them against the corpus's own.

    Parameters
    ----------
    corpus : Corpus, str or Path
        A loaded corpus, a folder, or the name of a bundled one.
    model : Whisper or str
        A loaded model, or a name or path as of :func:`~align_eval.load_model`.
    channel : int, optional
        Channel of the audio, counted from 0, where the corpus states none; by default the mean of all channels.
    protocols : mapping of str to Protocol, optional
        User-defined protocols, beside those that are built in.
    on_maps : function, optional
        Called with an utterance's id and its maps, where ``keep`` asks for them.
    on_done : function, optional
        Called with each utterance's id when it is processed, failed or not.
    journal : Journal, optional
        Results in it are not computed again (:func:`~align_eval.engine.journal.open_journal`).
    **options
        The fields of :class:`~align_eval.options.RunOptions`, as ``sources``, ``aligns``, ``presets``, ``text``. Those
        of the three that are None have the defaults of the command line: without any of them, the default table.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. A failed utterance is listed in
        ``run.failures``, and its words count as missed, as do those of a single system that fails. After an
        unexpected error, the failure has the traceback, and a RuntimeWarning says so.
    BugError
        Where every utterance failed, at least one by an unexpected error.
    """
    import pyarrow as pa
    from pyarrow.dataset import dataset

    from align_eval.corpus.bundled import load_corpus, of_channel
    from align_eval.engine.job import prepare_job, with_languages
    from align_eval.engine.run import process_job, score_job
    from align_eval.formats.run.words_file import BLOCK
    from align_eval.formats.run.words_table import SCHEMA

    loaded = load_corpus(corpus) if isinstance(corpus, str | Path) else corpus
    job = with_languages(prepare_job(of_channel(loaded, channel), model, RunOptions(**options)))
    blocks = [SCHEMA.empty_table()]
    rows: list[pa.Table] = []

    def put_rows(table: pa.Table) -> None:
        rows.append(table)
        if len(rows) == BLOCK:  # many small tables take several times the memory of their rows
            blocks.append(pa.concat_tables(rows).combine_chunks())
            rows.clear()

    details: dict[str, dict[str, dict[str, Any]]] = {}
    failures, flat_rows = process_job(job, put_rows, details.update, on_maps=on_maps, on_done=on_done, journal=journal)
    bugs = [failure for failure in failures if failure.traceback]
    if bugs:
        n_utterances = len({failure.id for failure in bugs})
        message = f"{n_utterances} of the utterances met a bug in align-eval, whose tracebacks are in run.failures"
        warnings.warn(f"{message}: {bugs[0].message}", RuntimeWarning, stacklevel=2)
    table = pa.concat_tables([*blocks, *rows]).combine_chunks()
    run = score_job(job, failures, dataset(table), protocols, flat_rows)
    return Evaluation(run, table, details, job.languages)


def _with_options_in_signature(function: Callable[..., Any]) -> None:
    """Show the fields of RunOptions as keywords in the signature of a function that takes them as ``**options``."""
    signature = inspect.signature(function)
    fixed = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    keywords = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
        for f in fields(RunOptions)
    ]
    function.__signature__ = signature.replace(parameters=[*fixed, *keywords])  # type: ignore[attr-defined]


_with_options_in_signature(evaluate)


def _speech(
    model: Whisper, audio: str | Path | Samples, text: str, language: str | None, channel: int | None
) -> Speech:
    from align_eval.model.language import language_of

    if isinstance(audio, str | Path):
        check_channel(channel)
        samples = read_audio(AudioSpan(Path(audio), channel))
    else:
        if channel is not None:
            raise InputError(f"channel {channel}", "samples in memory have one channel", "leave channel out")
        samples = _checked_samples(audio)
    language = language_of(model, samples, check_language(language, f"language {language!r}"))
    return Speech(samples, tuple(split_words(text, language)), language)


def _checked_samples(audio: Samples) -> Samples:
    array = np.asarray(audio)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
        problem = f"is an array of {array.dtype} of shape {array.shape}"
        raise InputError("audio", problem, "give mono samples at 16 kHz as floats from -1 to 1")
    if not np.isfinite(array).all():
        raise InputError("audio", f"sample {int(np.argmin(np.isfinite(array)))} is not finite", "mend the audio")
    samples = np.ascontiguousarray(array, dtype=np.float32)
    warn_of_faults(samples)
    return samples
