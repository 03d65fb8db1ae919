"""Real weights, loaded once; and small models made by hand where a number must be known."""

from __future__ import annotations

import pytest
import torch

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.forward import shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from tests.helpers.models import noise_pass, random_whisper


@pytest.fixture(autouse=True)
def as_many_threads_as_before():
    """openai-whisper's own DTW is compiled for threads: it sets their number for torch too, and so the last bits."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_en():
    """The real tiny.en weights that the extra `demo` installs."""
    return load_model("tiny.en")


@pytest.fixture(scope="session")
def demo():
    return load_corpus("demo")


@pytest.fixture(scope="session")
def clip(demo):
    """A clip of 1.2 s with 4 words: the cheapest real speech there is."""
    return next(u for u in demo.utterances if u.id == "en_praatio_bobby")


@pytest.fixture(scope="session")
def clip_pass(tiny_en, clip):
    return shared_pass(tiny_en, read_audio(clip.audio), force_words(tiny_en, [w.text for w in clip.words], "en"))


@pytest.fixture
def random_model():
    """A small model with random weights, the same each time."""
    return random_whisper()


@pytest.fixture
def small_pass(random_model):
    """Half a second of noise with two words of one token each: three rows with the end of the text."""
    shared = noise_pass(random_model)
    assert len(shared.text.tokens) == 3
    return shared
