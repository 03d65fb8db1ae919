"""A job: everything that a run needs before it starts. Its plan, model, corpus, utterances in order, and settings."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.checksums import FileChecksums
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.corpus.second_reference import (
    MaybeWords,
    SecondReference,
    of_windows,
    read_second_reference,
    second_checksum,
)
from align_eval.corpus.transcript_file import transcripts_checksum
from align_eval.corpus.windows import first_window, windowed, with_room_for_windows
from align_eval.engine.answer import HEADS_BY_AGREEMENT
from align_eval.errors import InputError, listed
from align_eval.formats.run.languages import Languages
from align_eval.heuristics import toggled_systems
from align_eval.language_names import NAMES
from align_eval.options import Plan, RunOptions, SystemSpecs, specs_of
from align_eval.records import AUTO, SECOND_REFERENCE, SystemName, Utterance, listed_failures
from align_eval.systems import SALIENCY, System, chosen_heads

if TYPE_CHECKING:
    from whisper.model import Whisper

ANY_HEADS = ("0.0",)
"""Stands for the best heads of a model while a spec is checked."""


N_HEARD = 5
"""Utterances whose language is detected to suggest one."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` of ``count``, counted from 1."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"there is no shard {self.number} of {self.count}")


@dataclass(frozen=True, slots=True)
class SecondTimes:
    """Second times of words by utterance id, and the name under which they are scored."""

    name: SystemName
    words: dict[str, MaybeWords]


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a run needs before it starts.

    Attributes
    ----------
    model : Whisper
    model_checksum : str
        See :func:`~align_eval.model.load.model_checksum`.
    plan : Plan
    corpus : Corpus
        As it was read; of a shard, its utterances alone.
    utterances : tuple of Utterance
        The utterances to process, in the order of ids; long recordings are cut into windows.
    second_reference : SecondReference or None
        As it was read.
    second_times : SecondTimes or None
        Its times by window.
    settings : dict
        Settings that only some runs have, for the signature.
    shard : Shard or None
    specs : SystemSpecs
        The systems as they were named, with the best heads written out.
    languages : dict
        Detected languages and their probabilities by utterance id; see :func:`with_languages`.
    checksums : FileChecksums
        Checksums of the files that results are computed from.
    """

    model: Whisper
    model_checksum: str
    plan: Plan
    corpus: Corpus
    utterances: tuple[Utterance, ...]
    second_reference: SecondReference | None = None
    second_times: SecondTimes | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    shard: Shard | None = None
    specs: SystemSpecs = field(default_factory=lambda: SystemSpecs((), (), ()))
    languages: dict[str, dict[str, Any]] = field(default_factory=dict)
    checksums: FileChecksums = field(default_factory=FileChecksums)


def prepare_job(
    corpus: Corpus | str | Path,
    model: Whisper | str,
    options: RunOptions,
    *,
    before: Callable[[], Mapping[str, Any] | None] | None = None,
    on_choosing: Callable[[], None] | None = None,
) -> Job:
    """Check the options, load corpus and model, cut windows, and choose heads where none were chosen for the model.

    Parameters
    ----------
    corpus : Corpus, str or Path
    model : Whisper or str
    options : RunOptions
    before : function, optional
        Signature of an earlier run, read where heads are to be chosen. If it chose heads by agreement on the same
        corpus, by the same model and options, its heads are taken. A shard chooses anew.
    on_choosing : function, optional
        Called before heads are chosen, which takes as long as up to 30 utterances.

    Raises
    ------
    InputError
        Where the corpus or the model cannot be used at all, or a spec is unknown.
    """
    from align_eval.model.load import check_precision, load_model, model_checksums

    model_name = model if isinstance(model, str) else "a loaded model"
    specs = specs_of(options)
    _systems(specs.with_heads(ANY_HEADS), toggle=options.toggle)  # refused before corpus and model are loaded
    shard = parse_shard(options.shard) if options.shard else None
    if isinstance(corpus, str | Path):
        corpus = load_corpus(corpus)
    if options.text == "words" and _any_long(corpus, options):
        corpus = with_room_for_windows(corpus, options.window_s)
    if not corpus.utterances:
        messages = listed_failures(corpus.failures)
        raise InputError(f"corpus {corpus.name}", f"has no usable utterance: {messages}", "mend what is listed")
    second = options.second_reference
    if isinstance(second, str):
        second = read_second_reference(corpus, second)
    loaded = load_model(model, device=options.device) if isinstance(model, str) else model
    check_precision(loaded)
    if loaded.is_multilingual and all(u.language is None for u in corpus.utterances):
        raise _without_language(corpus, loaded)
    settings: dict[str, Any] = {}
    utterances = _in_order(corpus, options)
    if {u.id for u in utterances} != {u.id for u in corpus.utterances}:  # some were cut
        settings["window_s"] = options.window_s
    plan = Plan(
        model_name,
        (),
        # without the words of a second reference, which decide nothing and would go to every worker
        replace(options, device=loaded.device.type, second_reference=None),
    )
    weights_checksum, model_checksum = model_checksums(loaded)
    checksums = FileChecksums()
    if specs.names_best and (known := chosen_heads(weights_checksum)):
        specs = specs.with_heads(known)
    elif specs.names_best:
        earlier = None if shard or before is None else before()  # the signature of a shard does not cover the corpus
        chosen = _chosen_before(earlier, plan, model_checksum, corpus, checksums)
        settings[HEADS_BY_AGREEMENT] = chosen or _choose_heads(loaded, utterances, plan, on_choosing)
        specs = specs.with_heads(settings[HEADS_BY_AGREEMENT][2].split("+"))
    plan = replace(plan, systems=_systems(specs, toggle=options.toggle))
    if options.text == "transcript":
        settings["transcripts_checksum"] = transcripts_checksum(corpus.utterances, checksums)
    second_times = None
    if second:
        by_window = of_windows(corpus, second.words, options.window_s) if options.text == "words" else second.words
        second_times = SecondTimes(SystemName(SECOND_REFERENCE, second.name), dict(by_window))
        settings["second_reference"] = [second.name, second_checksum(second.words)]
    if shard:
        settings["shard"] = [shard.number, shard.count]
        corpus = in_shard(corpus, shard)
        utterances = in_shard(replace(corpus, utterances=utterances), shard).utterances
    return Job(
        model=loaded,
        model_checksum=model_checksum,
        plan=plan,
        corpus=corpus,
        utterances=utterances,
        second_reference=second,
        second_times=second_times,
        settings=settings,
        shard=shard,
        specs=specs,
        checksums=checksums,
    )


def _chosen_before(
    before: Mapping[str, Any] | None, plan: Plan, model_checksum: str, corpus: Corpus, checksums: FileChecksums
) -> list[Any] | None:
    """Heads that an earlier run chose by agreement, if the same would be chosen now."""
    if not before or HEADS_BY_AGREEMENT not in before:
        return None
    deciding = {name: getattr(plan.options, name) for name in ("text", "context", "device", "dtype")}
    deciding["model_checksum"] = model_checksum
    same = all(before.get(name) == value for name, value in deciding.items())
    same = same and before["corpus_checksum"] == corpus_checksum(corpus.utterances, checksums)
    return list(before[HEADS_BY_AGREEMENT]) if same else None


def _choose_heads(
    model: Whisper, utterances: Sequence[Utterance], plan: Plan, on_choosing: Callable[[], None] | None
) -> list[Any]:
    """Heads by agreement as a setting of the signature: saliency, number of utterances that chose, heads."""
    from align_eval.engine.head_choice import heads_by_agreement

    if on_choosing:
        on_choosing()
    heads, n_used = heads_by_agreement(model, utterances, plan)
    return [SALIENCY, n_used, "+".join(heads)]


def with_languages(job: Job, known: dict[str, dict[str, Any]] | None = None) -> Job:
    """Replace every language ``auto`` of a job by the one that the model detects (:func:`detect_languages`).

    With ``known``, the languages that were detected before, nothing is detected.
    """
    if known is None:
        corpus, languages = detect_languages(job.corpus, job.model)
    else:
        corpus, languages = _in_languages(job.corpus, known), known
    if not languages:
        return job
    return replace(job, corpus=corpus, utterances=_in_order(corpus, job.plan.options), languages=languages)


def detect_languages(corpus: Corpus, model: Whisper) -> tuple[Corpus, dict[str, dict[str, Any]]]:
    """Replace every language ``auto`` of a corpus; also return detected languages with probabilities, by id.

    The language decides the result, not where it comes from: the signature is the same. An utterance whose detection
    fails stays at ``auto``; it is detected again, and fails and is listed, where it is processed.
    """
    from align_eval.model.language import detect_language

    languages: dict[str, dict[str, Any]] = {}
    for u in sorted(corpus.utterances, key=lambda u: u.id):
        if u.language == AUTO:
            with suppress(Exception):  # raised again where it is processed
                language, probability = detect_language(model, read_audio(first_window(u.audio)))
                languages[u.id] = {"detected": language, "probability": probability}
    return _in_languages(corpus, languages), languages


def _in_languages(corpus: Corpus, languages: Languages) -> Corpus:
    """A corpus whose languages ``auto`` are the detected ones, where they are known."""
    utterances = (
        replace(u, language=languages[u.id]["detected"]) if u.language == AUTO and u.id in languages else u
        for u in corpus.utterances
    )
    return replace(corpus, utterances=tuple(utterances)) if languages else corpus


def _without_language(corpus: Corpus, model: Whisper) -> InputError:
    """The error of a corpus without languages for a multilingual model, with the language that the model hears."""
    few = tuple(replace(u, language=AUTO) for u in sorted(corpus.utterances, key=lambda u: u.id)[:N_HEARD])
    _, heard = detect_languages(replace(corpus, utterances=few), model)
    codes = Counter(NAMES[language["detected"]][0].title() for language in heard.values())
    if len(codes) == 1:
        (name,) = codes
        code = next(iter(heard.values()))["detected"]
        least = min(language["probability"] for language in heard.values())
        of = "its utterance" if len(corpus.utterances) == 1 else f"all of its first {len(heard)} utterances"
        remedy = f"add --language {code}: the model hears {name} in {of} (probability at least {least:.2f})"
    else:
        remedy = "add --language with a code such as en, or auto for each utterance by itself, or write corpus.csv"
        names = listed(f"{name} in {n}" for name, n in codes.most_common())
        remedy += f"; of its first {len(heard)} utterances, the model hears {names}" if codes else ""
    return InputError(f"corpus {corpus.name}", "states no language, and the model is multilingual", remedy)


def parse_shard(text: str) -> Shard:
    """Read ``i/n``.

    Raises
    ------
    InputError
        Where the text is no ``i/n``, or i is not from 1 to n.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"shard {text!r}", "is no i/n with i from 1 to n", "give 1/4, 2/4, 3/4 and 4/4, each once")
    return Shard(int(match[1]), int(match[2]))


def in_shard(corpus: Corpus, shard: Shard) -> Corpus:
    """The utterances of a shard; all windows of a recording are in the same one.

    The rule: the first 8 bytes of the SHA-256 of the id in UTF-8, as an unsigned big-endian number, modulo the count,
    are the shard's number less one. Utterances that are added or removed move no other.
    """

    def belongs(u: Utterance) -> bool:
        digest = hashlib.sha256((u.part_of or u.id).encode()).digest()
        return int.from_bytes(digest[:8], "big") % shard.count == shard.number - 1

    return replace(corpus, utterances=tuple(u for u in corpus.utterances if belongs(u)))


def _systems(specs: SystemSpecs, *, toggle: bool) -> tuple[System, ...]:
    systems = specs.systems()
    if toggle:
        others = (item.other for item in toggled_systems(specs.sources, specs.aligns, specs.presets))
        systems = tuple(dict.fromkeys((*systems, *others)))
    if not systems:
        raise InputError("systems", "there are none", "give sources and aligns, or presets")
    return systems


def _in_order(corpus: Corpus, options: RunOptions) -> tuple[Utterance, ...]:
    """Utterances in the order of ids, long ones cut into windows where the reference's own words are aligned."""
    cut = windowed(corpus, options.window_s) if options.text == "words" and _any_long(corpus, options) else corpus
    return tuple(sorted(cut.utterances, key=lambda u: u.id))


def _any_long(corpus: Corpus, options: RunOptions) -> bool:
    return any(u.duration_s > options.window_s for u in corpus.utterances)
