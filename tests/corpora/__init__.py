"""Small corpora in their own layouts, written by hand: text files here, audio made where a test needs it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import soundfile

from align_eval.formats.textgrids import write_words
from align_eval.records import Word

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
    return np.stack([(places * (7 + 4 * channel) % 30_011 - 15_000) for channel in range(n_channels)], 1).astype(
        np.int16
    )


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


def write_clip(kind: str, folder: Path, samples: npt.NDArray[np.float32], words: Sequence[Word]) -> Path:
    """A clip of real speech at 16 kHz with its words, in the layout of a corpus."""
    corpus = folder / kind
    end_s = len(samples) / RATE

    def sound(name: str, **form: str) -> None:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(corpus / name, samples, RATE, subtype="PCM_16", **form)

    def text(name: str, content: str) -> None:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_text(content, encoding="utf-8")

    if kind == "timit":
        sound("TEST/DR1/FAAA0/SX1.WAV", format="NIST")
        lines = (f"{round(w.start_s * RATE)} {round(w.end_s * RATE)} {w.text}\n" for w in words)
        text("TEST/DR1/FAAA0/SX1.WRD", "".join(lines))
    elif kind == "buckeye":
        sound("s01/s0101a.wav")
        entries, at_s = ["signal s0101a\n#\n"], 0.0
        for w in words:
            if w.start_s > at_s:
                entries.append(f" {w.start_s:.6f} 122 <SIL>; S; S; null\n")
            entries.append(f" {w.end_s:.6f} 122 {w.text}; x; x; NN\n")
            at_s = w.end_s
        text("s01/s0101a.words", "".join(entries))
    elif kind == "librispeech":
        sound("dev/1/2/1-2-0000.flac")
        text("dev/1/2/1-2.trans.txt", f"1-2-0000 {' '.join(w.text for w in words).upper()}\n")
        labels, ends, at_s = [], [], 0.0
        for w in words:
            if w.start_s > at_s:
                labels, ends = [*labels, ""], [*ends, w.start_s]
            labels, ends, at_s = [*labels, w.text.upper()], [*ends, w.end_s], w.end_s
        text("dev/1/2/1-2.alignment.txt", f'1-2-0000 "{",".join(labels)}" "{",".join(map(str, ends))}"\n')
    elif kind == "ami":
        sound("audio/ES2000a.Headset-0.wav")
        element = '<w nite:id="w{}" starttime="{}" endtime="{}">{}</w>'
        body = "".join(element.format(i, w.start_s, w.end_s, escape(w.text)) for i, w in enumerate(words))
        text("words/ES2000a.A.words.xml", f'<nite:root xmlns:nite="http://nite.sourceforge.net/">{body}</nite:root>')
    elif kind == "kaldi":
        sound("a.wav")
        text("wav.scp", "utt1 a.wav\n")
        text("ctm", "".join(f"utt1 1 {w.start_s} {w.end_s - w.start_s} {w.text}\n" for w in words))
    elif kind == "mfa":
        sound("a.wav")
        write_words(corpus / "a.TextGrid", {"anna - words": words, "ben - words": []}, end_s)
    elif kind == "lhotse":
        sound("a.wav")
        recording = {
            "id": "rec", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}], "sampling_rate": RATE,
            "num_samples": len(samples), "duration": end_s, "channel_ids": [0],
        }  # fmt: skip
        items = [[w.text, w.start_s, w.end_s - w.start_s] for w in words]
        supervision = {
            "id": "sup", "recording_id": "rec", "start": 0.0, "duration": end_s, "channel": 0,
            "alignment": {"word": items},
        }  # fmt: skip
        text("recordings.jsonl", json.dumps(recording) + "\n")
        text("supervisions.jsonl", json.dumps(supervision) + "\n")
    return corpus
