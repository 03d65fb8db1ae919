"""Silence around and between words moves no word: real speech, real weights, and the path of before as a control.

A clip is padded with digital silence or noise until most of its frames are quiet, and the model runs on all of it. The
times from the whole map are held against those from the clip's own columns of the same map, with the clip's own energy.
Their difference is what the path makes of silence, without what the model does.
"""

from __future__ import annotations

import numpy as np
import pytest

from align_eval import align
from align_eval.alignment.aligner import parse_aligner
from align_eval.alignment.energy import energy_at_columns
from align_eval.alignment.silence import relative_loudness
from align_eval.alignment.word_times import align_map
from align_eval.corpus.audio import read_audio
from align_eval.engine.saved_maps import StackCollector
from align_eval.findings.budget.cells import prepared
from align_eval.findings.saved_run import Item, decoded
from align_eval.formats.run.maps import write_maps
from align_eval.pipeline import Speech, maps_of_passes, passes_of, sources_of, words
from align_eval.systems import PRESETS, parse_system
from align_eval.units import FRAME_S, SAMPLE_RATE, START_S
from tests.helpers.padding import n_columns_of, padded, restricted

SYSTEMS = {
    "best": PRESETS["best-tiny.en"],
    "default of align": parse_system("gradient:at=encoder-output", "viterbi"),
    "all heads": parse_system("attention:heads=all", "viterbi"),
}
BEFORE = parse_aligner("viterbi:silence=energy,boundary=frame,states=token")
CLIPS = ("en_praatio_bobby", "en_phonlab_im_twelve", "en_phonlab_three_plus_five", "en_arctic_a0009")
PAUSED, AFTER_WORD = "en_phonlab_im_twelve", 2
"""A clip with a pause between two words in its reference, of 0.165 s: "i'm twelve" | "what're you talking"."""
RMS = {"digital silence": 0.0, "noise at -60 dB": 0.001}
LAYOUTS = [("around", 0.75), ("around", 0.9), ("between", 0.9)]
"""Places of the silence, and the share of quiet frames."""

Case = tuple[str, float, str, str, str]


def energy_of(samples: np.ndarray) -> np.ndarray:
    return energy_at_columns(samples, n_columns_of(samples), FRAME_S, START_S)


def inserts_of(clip, energy: np.ndarray, layout: str, share: float) -> dict[int, int]:
    """Frames before and behind, and between two words, so that this share of all is quiet."""
    n = len(energy)
    n_quiet = int((relative_loudness(energy) < 0.5).sum())
    n_added = min(int((share * n - n_quiet) / (1 - share)), round(30 / FRAME_S) - 1 - n)
    assert n_added > n
    if layout == "around":
        return {0: n_added // 2, n: n_added // 2}
    middle_s = (clip.words[AFTER_WORD - 1].end_s + clip.words[AFTER_WORD].start_s) / 2
    return {0: n_added // 3, round((middle_s - START_S) / FRAME_S): n_added // 3, n: n_added // 3}


@pytest.fixture(scope="module")
def measured(tiny_en, demo) -> dict[Case, list[np.ndarray]]:
    """Absolute errors in ms, ``(whole map or own columns, boundary)``, of each clip.

    By layout, share, noise, system and path: that of the system, or the one before.
    """
    found: dict[Case, list[np.ndarray]] = {}
    for clip in (u for u in demo.utterances if u.id in CLIPS):
        samples = read_audio(clip.audio)
        energy = energy_of(samples)
        texts, reference = tuple(w.text for w in clip.words), [(w.start_s, w.end_s) for w in clip.words]
        for layout, share in LAYOUTS:
            if layout == "between" and clip.id != PAUSED:
                continue
            inserts = inserts_of(clip, energy, layout, share)
            for noise, rms in RMS.items():
                longer = padded(samples, inserts, rms)
                whole_energy = energy_of(longer.samples)
                passes = passes_of(tiny_en, Speech(longer.samples, texts, "en"))
                maps = maps_of_passes(tiny_en, passes)(sources_of(SYSTEMS.values()))
                for name, system in SYSTEMS.items():
                    relevance = maps[system.source].relevance
                    own = restricted(relevance, longer.kept)
                    for path, aligner in (("new", system.aligner), ("before", BEFORE)):
                        off_s = [
                            np.subtract(align_map(relevance, whole_energy, aligner).words, longer.shifted(reference)),
                            np.subtract(align_map(own, energy, aligner).words, reference),
                        ]
                        errors_ms = 1000 * np.abs(off_s).reshape(2, -1)
                        found.setdefault((layout, share, noise, name, path), []).append(errors_ms)
    return found


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("noise", RMS)
@pytest.mark.parametrize(("layout", "share"), LAYOUTS)
def test_silence_adds_no_error_beyond_what_the_model_makes_of_it(measured, layout, share, noise, system):
    whole, own = np.concatenate(measured[layout, share, noise, system, "new"], axis=1)
    assert whole.mean() - own.mean() <= 5
    assert (whole > 200).mean() - (own > 200).mean() <= 0.01


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("layout", "share"), LAYOUTS)
def test_the_path_before_fails_this_by_far(measured, layout, share, system):
    """A control: in the mean over clips and noises it is off by ten times as much as the path may be."""
    whole, own = np.concatenate([e for noise in RMS for e in measured[layout, share, noise, system, "before"]], axis=1)
    assert whole.mean() - own.mean() > 50
    assert (whole > 200).mean() - (own > 200).mean() > 0.03


@pytest.mark.parametrize("unit", ["subword", "character"])
@pytest.mark.parametrize("source", ["attention:heads=all,prep=log", "gradient:at=encoder-output"])
def test_saved_maps_give_the_times_of_the_run(tiny_en, clip, tmp_path, source, unit):
    """Letters included, without which a token has one state. The mean over heads is taken before it is saved."""
    system = parse_system(f"{source},unit={unit}", "viterbi")
    samples, texts = read_audio(clip.audio), tuple(w.text for w in clip.words)
    collector = StackCollector("maps")
    maps = maps_of_passes(tiny_en, passes_of(tiny_en, Speech(samples, texts, "en")), collector.add)([system.source])
    saved = collector.saved(samples, maps)
    write_maps(tmp_path / "maps", saved)
    item = Item(clip.id, "manual", 0, 0, np.zeros((len(texts), 2)), tmp_path / "maps", None)
    values = prepared(item.maps.stacks[system.source.stack], system.source.prep)
    timed = words(samples, texts, [system], lambda _: maps)[system]
    expected = [(word.start_s, word.end_s) for word in timed]
    np.testing.assert_allclose(decoded(item, values, unit, "viterbi"), expected, rtol=0, atol=1.01e-4)
    by_token = decoded(item, values, unit, "viterbi:states=token")
    assert (np.abs(by_token - expected).max() > 1e-3) == (unit == "subword")  # a character has one letter at most


@pytest.fixture(scope="module")
def four_seconds_later(tiny_en, demo):
    """A function from source and path to how far each boundary of a clip moves behind four seconds of zeros."""
    clip = next(u for u in demo.utterances if u.id == "en_praatio_bobby")
    assert clip.text.lower() == "bobby ripped the ledger"
    samples = read_audio(clip.audio)
    longer = np.concatenate([np.zeros(4 * SAMPLE_RATE, dtype=np.float32), samples])

    def moved_s(**options) -> np.ndarray:
        plain, later = (
            np.array([(w.start_s, w.end_s) for w in align(tiny_en, audio, clip.text, language="en", **options)])
            for audio in (samples, longer)
        )
        return later - plain

    return moved_s


@pytest.mark.parametrize("options", [{}, {"source": "attention", "align": "best-tiny.en"}], ids=["default", "best"])
def test_four_seconds_of_silence_before_a_clip_move_it_by_four_seconds(four_seconds_later, options):
    """Within two frames, the difference of the model's own maps: up to 30 ms here."""
    np.testing.assert_allclose(four_seconds_later(**options), 4.0, rtol=0, atol=0.04)
