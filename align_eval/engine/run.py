"""Evaluating systems on a corpus: process every utterance, collect, score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.corpus.second import SecondReference, of_windows, partners, second_checksum
from align_eval.corpus.transcript import transcripts_checksum
from align_eval.corpus.windows import windowed
from align_eval.engine.languages import with_languages
from align_eval.engine.process import Aligned, Keep, each_utterance, process
from align_eval.engine.signature import run_environment, run_signature
from align_eval.errors import InputError
from align_eval.formats.maps import KeptMaps
from align_eval.formats.run_folder import SCHEMA_VERSION
from align_eval.formats.words_table import words_table
from align_eval.presets import DEFAULT_ALIGNS, DEFAULT_SOURCES, make_systems, toggled_systems
from align_eval.records import SECOND_REFERENCE, Pairing, Plan, Run, System, Utterance, Word
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_table
from align_eval.units import WINDOW_S

if TYPE_CHECKING:
    from whisper.model import Whisper

TEXTS = ("words", "hypothesis", "transcript")


LANGUAGE = "language"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run with the words that it was scored from, and what sources said of themselves, by utterance and spec.

    A language that was detected stands among the details of its utterance as ``language``.
    """

    run: Run
    words: pa.Table
    details: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def evaluate(
    corpus: Corpus | str | Path,
    model: Whisper | str = "tiny.en",
    *,
    sources: Sequence[str] = DEFAULT_SOURCES,
    aligns: Sequence[str] = DEFAULT_ALIGNS,
    presets: Sequence[str] = ("openai",),
    toggle: bool = False,
    text: Literal["words", "hypothesis", "transcript"] = "words",
    context: Literal["full", "fit"] = "full",
    window_s: float = WINDOW_S,
    second_reference: SecondReference | None = None,
    device: str = "cpu",
    seed: int = 0,
    protocols: Mapping[str, Protocol] | None = None,
    keep: Keep = "nothing",
    on_kept: Callable[[str, KeptMaps], None] | None = None,
    on_done: Callable[[str], None] | None = None,
) -> Evaluation:
    """Derive word times by every system and score them against the corpus's own.

    Parameters
    ----------
    corpus
        A loaded corpus, a bundled name or a folder.
    model
        A loaded model, or what :func:`~align_eval.model.load.load_model` takes.
    sources, aligns, presets
        Every source is read by every alignment; presets are pairs of their own.
    toggle
        Also every preset with each of its heuristics switched alone.
    text
        What is aligned: the reference's own words, what the model recognises, or the text beside the audio. The latter
        two are paired with the reference's words by their text.
    context
        Encode the whole window of 30 s, or the audio and a second of silence (faster, and not quite the same model).
    window_s
        Utterances longer than that are cut into windows at pauses of their reference.
    second_reference
        Other times of the same words, scored as a system is: how far two references lie apart.
    protocols
        Protocols of one's own, by name, beside those that are built in.
    keep, on_kept
        What is kept of the sources' stacks, and what is called with it and the utterance's id when that is done.
    on_done
        Called with each utterance's id when it is done, failed or not.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown. An utterance that fails is listed in
        ``run.failures``, and its words count against coverage.
    """
    from align_eval.model.load import check_precision, load_model, model_checksum

    systems = make_systems(sources, aligns, presets)
    if toggle:
        others = (item.other for item in toggled_systems(sources, aligns, presets))
        systems = tuple(dict.fromkeys((*systems, *others)))
    if not systems:
        raise InputError("systems", "there are none", "give sources and aligns, or presets")
    if text not in TEXTS:
        raise InputError("text", f"there is no {text!r}", f"one of {', '.join(TEXTS)}")
    if keep != "nothing" and text != "words":
        raise InputError("keep", f"maps of {text} belong to no reference word", "keep maps with --text words")
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    if not corpus.utterances:
        listed = "; ".join(f.message for f in corpus.failures[:3])
        raise InputError(f"corpus {corpus.name}", f"has no usable utterance: {listed}", "mend what is listed")
    loaded = load_model(model, device=device) if isinstance(model, str) else model
    check_precision(loaded)
    corpus, detected = with_languages(corpus, loaded)
    name = model if isinstance(model, str) else "a loaded model"
    plan = Plan(model=name, systems=systems, text=text, context=context, device=loaded.device.type, seed=seed)

    windows = windowed(corpus, window_s) if text == "words" else corpus

    def work(utterance: Utterance) -> Aligned:
        aligned = process(utterance, plan, loaded, keep)
        if aligned.kept and on_kept:
            on_kept(utterance.id, aligned.kept)
        return replace(aligned, kept=None)  # a corpus of maps is never held

    results, failures = each_utterance(windows, work, on_done)
    times: dict[str, dict[System, Sequence[Word]]] = {id_: dict(found.words) for id_, found in results.items()}
    pairings: dict[str, dict[System, Pairing]] = {
        id_: dict.fromkeys(systems, found.pairing) for id_, found in results.items() if found.pairing
    }
    settings: dict[str, Any] = {} if windows.utterances == corpus.utterances else {"window_s": window_s}
    if text == "transcript":
        settings["transcripts_checksum"] = transcripts_checksum(corpus.utterances)
    if second_reference:
        second = System(SECOND_REFERENCE, second_reference.name)
        systems += (second,)
        of_window = of_windows(corpus, second_reference.words, window_s) if text == "words" else second_reference.words
        for id_, found in of_window.items():
            times.setdefault(id_, {})[second] = [word for word in found if word]
            pairings.setdefault(id_, {})[second] = partners(found)
        failures += second_reference.failures
        settings["second_reference"] = [second.align, second_checksum(second_reference.words)]
    words = words_table(windows.utterances, systems, times, pairings)
    details = {id_: dict(aligned.details) for id_, aligned in sorted(results.items()) if aligned.details}
    for id_, language in detected.items():
        details.setdefault(id_, {})[LANGUAGE] = language
    run = Run(
        schema=SCHEMA_VERSION,
        signature=run_signature(
            plan,
            model_checksum=model_checksum(loaded),
            corpus=corpus.name,
            corpus_checksum=corpus_checksum(corpus.utterances),
            settings=settings,
            protocols=PROTOCOLS | dict(protocols or {}),
        ),
        rows=score_table(words, text=plan.text, seed=seed, protocols=protocols),
        failures=failures,
        environment=run_environment(),
    )
    return Evaluation(run, words, details)
