"""Translation: decoded words, teacher-forced under the task `translate`."""

from __future__ import annotations

import pytest

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.errors import InputError
from align_eval.findings.faithfulness.measure import utterance_curves
from align_eval.findings.faithfulness.records import FaithfulnessOptions
from align_eval.model.decode import decoded_words
from align_eval.model.forward import shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from align_eval.relevance.source import parse_source


@pytest.mark.slow
def test_a_translation_is_more_likely_as_a_translation_and_its_faithfulness_is_measured():
    base = load_model("base")
    utterance = min(load_corpus("demo-ru").utterances, key=lambda u: u.duration_s)
    samples = read_audio(utterance.audio)
    words = decoded_words(base, samples, "ru", "translate")
    assert "".join(words).isascii()  # English, of Russian speech
    mean = {
        task: float(shared_pass(base, samples, force_words(base, words, "ru", task=task)).log_prob.mean())
        for task in ("transcribe", "translate")
    }
    assert mean["translate"] > mean["transcribe"] + 0.5
    options = FaithfulnessOptions(step_percent=50, n_random=1, n_infidelity=0, n_sensitivity=0, task="translate")
    curves = utterance_curves(base, utterance, [parse_source("attention:heads=all")], options)
    assert curves.n_units == len(force_words(base, words, "ru", task="translate").tokens) - 1


def test_word_errors_of_a_translation_are_refused():
    with pytest.raises(InputError, match="form wer: there is no reference translation to count errors by"):
        FaithfulnessOptions(form="wer", task="translate")
    with pytest.raises(InputError, match="task 'summarise': there is no such task; one of transcribe, translate"):
        FaithfulnessOptions(task="summarise")
