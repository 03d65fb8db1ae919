"""Reader of TextGrids of the Montreal Forced Aligner (McAuliffe et al. 2017) for recordings of several speakers.

Each speaker has a tier ``NAME - words`` (and ``NAME - phones``, which is not read). Each tier is cut at pauses into
utterances of at most 30 s, and around the words that other speakers say at the same time. A corpus whose TextGrids have
a single tier ``words`` is of the kind ``folder``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from textgrid import IntervalTier, TextGrid

from align_eval.corpus.file_search import Files, audio_by_identity, identity, the_one, with_suffix
from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus, check_inside
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, whole_file, without_overlaps
from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.formats.textgrids import WORD_TIER_NAMES, marks_of_tier, read_unicode_textgrid, words_of_tier
from align_eval.records import Failure, Utterance
from align_eval.text import label_kind

N_SNIFFED = 50
"""Most TextGrids that are opened to detect the kind."""


def detect(files: Files) -> Path | None:
    """Find a TextGrid with word tiers of several speakers."""
    for path in with_suffix(files, TEXTGRID_SUFFIX)[:N_SNIFFED]:
        try:
            grid, _ = read_textgrid(path)
        except InputError:
            continue  # the reader of the detected kind reports it
        if len(speaker_tiers(grid)) > 1:
            return path
    return None


def load(path: Path, files: Files, tier: str | None = None) -> Corpus:
    """Load every speaker of every recording, or those with the tier ``tier``; times are automatic."""
    grids = {identity(file, path): file for file in with_suffix(files, TEXTGRID_SUFFIX)}
    audio = audio_by_identity(files, path, grids)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    for id_ in sorted({*audio, *grids}):
        try:
            if id_ not in grids:
                raise InputError(audio[id_][0], "has no TextGrid beside it", "add one")
            sound = the_one(audio.get(id_, []), grids[id_], "audio of the same name")
            recording_utterances, too_long = _recording(id_, sound, grids[id_], tier, marks)
        except InputError as error:
            failures.append(Failure(id_, str(error)))
            continue
        utterances += recording_utterances
        failures += too_long
    return make_corpus(path, "mfa", utterances, failures, marks)


def speaker_tiers(grid: TextGrid) -> dict[str, IntervalTier]:
    """Word tiers by the name of their speaker."""
    tiers = {}
    for tier in grid.tiers:
        speaker, dash, name = str(tier.name).strip().rpartition(" - ")
        if dash and name.lower() in WORD_TIER_NAMES and isinstance(tier, IntervalTier):
            tiers[speaker] = tier
    return tiers


def _recording(
    id_: str, sound: Path, path: Path, wanted: str | None, marks: Counter[str]
) -> tuple[list[Utterance], list[Failure]]:
    """Cut the tiers of a recording; ``wanted`` is the name of one tier, or None for all."""
    grid = read_unicode_textgrid(path)
    tiers = speaker_tiers(grid)
    chosen = {speaker: tier for speaker, tier in tiers.items() if wanted in (None, str(tier.name))}
    if not chosen:
        what = f"tier {wanted!r} of a speaker" if wanted else "tier `NAME - words`"
        listed = ", ".join(repr(str(tier.name)) for tier in grid.tiers) or "none"
        raise InputError(path, f"has no {what}", f"the tiers are {listed}")
    spoken = {speaker: words_of_tier(tier) for speaker, tier in tiers.items()}
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    for speaker, tier in chosen.items():
        marks.update(marks_of_tier(tier))
        spoken_words = [word for word in spoken[speaker] if label_kind(word.text) == "word"]
        others = [word for other, words in spoken.items() if other != speaker for word in words]
        unknown = [word for word in spoken[speaker] if label_kind(word.text) == "unknown"]
        template = whole_file(f"{id_}/{speaker}", sound, (), speaker=speaker, reference="automatic", recording=id_)
        words = without_overlaps(spoken_words, f"{path}, tier {tier.name!r}")
        check_inside(words, template.duration_s, path)
        barriers = [(w.start_s, w.end_s) for w in (*others, *unknown)]
        speaker_utterances, too_long = cut_recording(template, words, barriers)
        utterances += speaker_utterances
        failures += too_long
    return utterances, failures
