"""Reader of TextGrids of the Montreal Forced Aligner (McAuliffe et al. 2017) for recordings of several speakers.

Each speaker has a tier ``NAME - words`` (and ``NAME - phones``, which is not read). Each tier is cut at pauses into
utterances of at most 30 s, and around the words that other speakers say at the same time. A corpus whose TextGrids have
a single tier ``words`` is of the kind ``folder``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from textgrid import IntervalTier, TextGrid

from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import Files, audio_by_identity, by_identity, the_one, with_suffix
from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus, check_inside
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, whole_file, without_overlaps
from align_eval.errors import InputError, listed
from align_eval.formats.atomic import is_file_name
from align_eval.formats.praat import read_textgrid
from align_eval.formats.textgrids import (
    WORD_TIER_NAMES,
    Tiers,
    fitting_tiers,
    marks_of_tier,
    read_textgrid_and_warn,
    tier_options,
    wanted_tiers,
    words_of_tier,
)
from align_eval.records import Failure, Utterance
from align_eval.text import composed, label_kind

N_SNIFFED = 50
"""Most TextGrids that are opened to detect the kind."""


def detect(files: Files) -> Path | None:
    """Find a TextGrid with word tiers of several speakers."""
    for path in with_suffix(files, TEXTGRID_SUFFIX)[:N_SNIFFED]:
        try:
            grid, _ = read_textgrid(path)
        except Exception:
            continue  # the reader of the detected kind reports it
        if len(set(speaker_tiers(grid).values())) > 1:
            return path
    return None


def load(path: Path, files: Files, tier: Tiers = None) -> Corpus:
    """Load every speaker of every recording, or those with the tiers ``tier``; times are automatic."""
    grids = by_identity(files, path, TEXTGRID_SUFFIX)
    audio = audio_by_identity(files, path, grids)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    for id_ in sorted({*audio, *grids}):
        try:
            if id_ not in grids:
                raise InputError(audio[id_][0], "has no TextGrid beside it", "add one")
            grid = the_one(grids[id_], audio.get(id_, grids[id_])[0], "TextGrid of the same name")
            sound = the_one(audio.get(id_, []), grid, "audio of the same name")
            recording_utterances, too_long = _recording(id_, sound, grid, tier, marks)
        except Exception as error:
            failures.append(failure_of(id_, error))
            continue
        utterances += recording_utterances
        failures += too_long
    return make_corpus(path, "mfa", utterances, failures, marks)


def speaker_tiers(grid: TextGrid) -> dict[int, str]:
    """Speakers by the indices of their word tiers."""
    speakers = {}
    for i, tier in enumerate(grid.tiers):
        speaker, dash, name = str(tier.name).strip().rpartition(" - ")
        if dash and name.lower() in WORD_TIER_NAMES and isinstance(tier, IntervalTier):
            speakers[i] = composed(speaker)
    return speakers


def _recording(
    id_: str, sound: Path, path: Path, wanted: Tiers, marks: Counter[str]
) -> tuple[list[Utterance], list[Failure]]:
    """Cut the tiers of a recording: those that are wanted, or all."""
    grid = read_textgrid_and_warn(path)
    speakers = speaker_tiers(grid)
    spoken = {i: words_of_tier(grid.tiers[i]) for i in speakers}
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    for i, speaker in _chosen(grid, speakers, wanted, path).items():
        tier = grid.tiers[i]
        marks.update(marks_of_tier(tier))
        spoken_words = [word for word in spoken[i] if label_kind(word.text) == "word"]
        others = [word for other, words in spoken.items() if speakers[other] != speaker for word in words]
        unknown = [word for word in spoken[i] if label_kind(word.text) == "unknown"]
        if not is_file_name(name := f"{id_}/{speaker}"):
            failures.append(
                Failure(name, f"{path}, tier {tier.name!r}: its speaker cannot name a file; rename the tier")
            )
            continue
        template = whole_file(name, sound, (), speaker=speaker, reference="automatic", recording=id_)
        words = without_overlaps(spoken_words, f"{path}, tier {tier.name!r}")
        check_inside(words, template.duration_s, path)
        barriers = [(w.start_s, w.end_s) for w in (*others, *unknown)]
        speaker_utterances, too_long = cut_recording(template, words, barriers)
        utterances += speaker_utterances
        failures += too_long
    return utterances, failures


def _chosen(grid: TextGrid, speakers: dict[int, str], wanted: Tiers, path: Path) -> dict[int, str]:
    """Speakers by the indices of the tiers that are wanted, or of all their tiers; each speaker has one."""
    names = [str(tier.name) for tier in grid.tiers]
    fitting = {i for name in wanted_tiers(wanted) for i in fitting_tiers(names, name)}
    chosen = {i: speaker for i, speaker in speakers.items() if i in fitting or not wanted_tiers(wanted)}
    known = f"the tiers are {listed(map(repr, names)) or 'none'}"
    if not chosen:
        what = " or ".join(f"tier {name!r}" for name in wanted_tiers(wanted))
        problem = f"has no {what} of a speaker" if what else "has no tier `NAME - words`"
        raise InputError(path, problem, f"name one with --tier; {known}" if speakers else known)
    for speaker in chosen.values():
        same = [i for i in chosen if chosen[i] == speaker]
        if len(same) > 1:
            options = listed((tier_options(names, [i]) for i in same), " or ")
            raise InputError(path, f"has {len(same)} tiers of words of {speaker!r}", f"name one: {options}; {known}")
    return chosen
