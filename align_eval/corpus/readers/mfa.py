"""Output of the Montreal Forced Aligner (McAuliffe et al. 2017) for recordings of several speakers, beside their audio.

Each speaker has a tier ``NAME - words`` (and ``NAME - phones``, which is not read). Each tier is cut at pauses into
utterances of at most 30 s; what another speaker says at the same time is cut around. A corpus whose TextGrids have the
one tier ``words`` is of the kind ``folder``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from textgrid import IntervalTier, TextGrid

from align_eval.corpus.audio import AUDIO_SUFFIXES
from align_eval.corpus.file_search import Files, identity, the_one, with_suffix
from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus, check_inside
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, whole_file, without_overlaps
from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.formats.textgrids import WORD_TIER_NAMES, marks_of_tier, read_unicode_textgrid, words_of_tier
from align_eval.records import Failure, Utterance
from align_eval.text import label_kind

N_SNIFFED = 50
"""TextGrids that are opened to tell the kind."""


def detect(files: Files) -> Path | None:
    """A TextGrid with word tiers of several speakers."""
    for path in with_suffix(files, TEXTGRID_SUFFIX)[:N_SNIFFED]:
        try:
            grid, _ = read_textgrid(path)
        except InputError:
            continue  # the reader that the other files decide for says so
        if len(speaker_tiers(grid)) > 1:
            return path
    return None


def load(path: Path, files: Files, tier: str | None = None) -> Corpus:
    """Every speaker of every recording; times are automatic. ``tier`` leaves one speaker's tier."""
    audio: dict[str, list[Path]] = {}
    for file in with_suffix(files, *AUDIO_SUFFIXES):
        audio.setdefault(identity(file, path), []).append(file)
    grids = {identity(file, path): file for file in with_suffix(files, TEXTGRID_SUFFIX)}
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    for id_ in sorted({*audio, *grids}):
        try:
            if id_ not in grids:
                raise InputError(audio[id_][0], "has no TextGrid beside it", "add one")
            sound = the_one(audio.get(id_, []), grids[id_], "audio of the same name")
            of_recording, too_long = _recording(id_, sound, grids[id_], tier, marks)
        except InputError as error:
            failures.append(Failure(id_, str(error)))
            continue
        utterances += of_recording
        failures += too_long
    return make_corpus(path, "mfa", utterances, failures, marks)


def speaker_tiers(grid: TextGrid) -> dict[str, IntervalTier]:
    """Word tiers by the name of their speaker."""
    found = {}
    for tier in grid.tiers:
        speaker, dash, name = str(tier.name).strip().rpartition(" - ")
        if dash and name.lower() in WORD_TIER_NAMES and isinstance(tier, IntervalTier):
            found[speaker] = tier
    return found


def _recording(
    id_: str, sound: Path, path: Path, wanted: str | None, marks: Counter[str]
) -> tuple[list[Utterance], list[Failure]]:
    grid = read_unicode_textgrid(path)
    tiers = speaker_tiers(grid)
    asked = {speaker: tier for speaker, tier in tiers.items() if wanted in (None, str(tier.name))}
    if not asked:
        what = f"tier {wanted!r} of a speaker" if wanted else "tier `NAME - words`"
        listed = ", ".join(repr(str(tier.name)) for tier in grid.tiers) or "none"
        raise InputError(path, f"has no {what}", f"the tiers are {listed}")
    spoken = {speaker: words_of_tier(tier) for speaker, tier in tiers.items()}
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    for speaker, tier in asked.items():
        marks.update(marks_of_tier(tier))
        known = [word for word in spoken[speaker] if label_kind(word.text) == "word"]
        others = [word for other, words in spoken.items() if other != speaker for word in words]
        unknown = [word for word in spoken[speaker] if label_kind(word.text) == "unknown"]
        template = whole_file(f"{id_}/{speaker}", sound, (), speaker=speaker, reference="automatic", recording=id_)
        words = without_overlaps(known, f"{path}, tier {tier.name!r}")
        check_inside(words, template.duration_s, path)
        pieces, too_long = cut_recording(template, words, [(w.start_s, w.end_s) for w in (*others, *unknown)])
        utterances += pieces
        failures += too_long
    return utterances, failures
