"""Small corpora in their own layouts, written by hand: text files here, audio made where a test needs it."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

HERE = Path(__file__).parent
RATE = 16_000

AUDIO: dict[str, dict[str, tuple[float, int]]] = {
    "timit": {
        "TRAIN/DR1/FABC0/SA1.WAV": (2.0, 1),
        "TRAIN/DR1/FABC0/SX2.WAV": (1.5, 1),
        "TEST/DR2/MXYZ0/SI3.WAV": (1.0, 1),
    },
    "buckeye": {"s01/s0101a/s0101a.wav": (50.0, 1)},
    "librispeech": {
        "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac": (2.0, 1),
        "LibriSpeech/dev-clean/84/121123/84-121123-0001.flac": (3.0, 1),
        "LibriSpeech/dev-clean/84/121123/84-121123-0002.flac": (1.0, 1),
        "LibriSpeech/dev-clean/174/50561/174-50561-0000.flac": (2.0, 1),
    },
    "ami": {
        "amicorpus/ES2099a/audio/ES2099a.Headset-0.wav": (8.0, 1),
        "amicorpus/ES2099a/audio/ES2099a.Headset-2.wav": (8.0, 1),
    },
    "kaldi": {"data/audio/rec1.wav": (6.0, 1), "data/audio/rec3.wav": (2.0, 2)},
    "lhotse": {"audio/rec1.wav": (6.0, 1)},
    "mfa": {"anna/dialogue.wav": (8.0, 1)},
}
"""Length in seconds and number of channels of every audio file."""


def ramp(seconds: float, n_channels: int = 1) -> npt.NDArray[np.int16]:
    """Samples that say their own place: a cut by one sample, or of another channel, does not equal the right one."""
    places = np.arange(round(seconds * RATE))
    return np.stack([(places * (7 + 4 * channel) % 30_011 - 15_000) for channel in range(n_channels)], 1).astype(np.int16)


def make_corpus(kind: str, folder: Path) -> Path:
    """Copy a corpus and make its audio; TIMIT's is SPHERE, as the LDC distributes it."""
    shutil.copytree(HERE / kind, folder / kind)
    for name, (seconds, n_channels) in AUDIO[kind].items():
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        form = "NIST" if kind == "timit" else path.suffix[1:].upper()
        soundfile.write(path, ramp(seconds, n_channels), RATE, format=form, subtype="PCM_16")
    return folder / kind


def pack(path: Path) -> Path:
    """Gzip a file in its place."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed
