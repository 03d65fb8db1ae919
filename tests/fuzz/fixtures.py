"""Good files that are made here: TextGrids in every form and encoding, sound in every format, manifests of Lhotse."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from align_eval.corpus.bundled import bundled_path
from align_eval.errors import InputError
from align_eval.relevance.source import SOURCE_OPTIONS
from align_eval.spec import format_spec
from tests.corpora import HERE, RATE, ramp

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.3
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.25
            text = "caf\u00e9 ""two"" x"
        intervals [3]:
            xmin = 1.25
            xmax = 2.3
            text = "na\u00efve"
    item [2]:
        class = "TextTier"
        name = "words (no length)"
        xmin = 0
        xmax = 2.3
        points: size = 1
        points [1]:
            number = 0.75
            mark = "ding"
"""
SHORT = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.3\n<exists>\n1\n"IntervalTier"\n"words"\n0\n2.3\n2\n'
    '0.5\n1.25\n"caf\u00e9"\n1.25\n2.3\n"three"\n'
)
CHRONOLOGICAL = (
    '"Praat chronological TextGrid text file"\n0 2.3   ! Time domain.\n2   ! Number of tiers.\n'
    '"IntervalTier" "words" 0 2.3\n'
    '"TextTier" "bell" 0 2.3\n\n1 0 0.5\n""\n1 0.5 1.25\n"caf\u00e9 ""two"""\n2 0.75\n"ding"\n1 1.25 2.3\n"three"\n'
)
BINARY = b"ooBinaryFile\x08TextGrid" + struct.pack(">dd?i", 0.0, 2.3, True, 0)

PROTOCOLS = """[starts40]
boundaries = "starts"
words = "recognised"
normaliser = "letters"
collars_ms = [20, 40]
cut_ms = 1000
measures = ["mean", "within"]
averages = ["micro", "macro"]

[mine]
boundaries = "starts"
words = "recognised"
measures = ["mean"]
"""

SOUNDS: dict[str, dict[str, Any]] = {
    **{f"{subtype.lower()}.wav": {"format": "WAV", "subtype": subtype} for subtype in (
        "PCM_16", "PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610",
    )},
    "extensible.wav": {"format": "WAVEX", "subtype": "PCM_16"},
    "rf64.wav": {"format": "RF64", "subtype": "PCM_16"},
    "a.aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "float.aiff": {"format": "AIFF", "subtype": "FLOAT"},
    "a.au": {"format": "AU", "subtype": "PCM_16"},
    "ulaw.au": {"format": "AU", "subtype": "ULAW"},
    "a.flac": {"format": "FLAC", "subtype": "PCM_16"},
    "vorbis.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    "a.sph": {"format": "NIST", "subtype": "PCM_16"},
    "ulaw.sph": {"format": "NIST", "subtype": "ULAW"},
    "a.caf": {"format": "CAF", "subtype": "PCM_16"},
    "alac.caf": {"format": "CAF", "subtype": "ALAC_16"},
    "a.w64": {"format": "W64", "subtype": "PCM_16"},
}  # fmt: skip
"""Formats of every family, by the name of a file, as libsndfile names them."""

ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x1eTXXX" + bytes(26)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8)


def textgrids() -> dict[str, bytes]:
    """TextGrids by name: of the corpora, and in every form and encoding."""
    found = {f"{path.stem}.TextGrid": path.read_bytes() for path in sorted(HERE.rglob("*.TextGrid"))}
    found |= {
        f"{path.stem}.TextGrid": path.read_bytes() for path in sorted(bundled_path("demo").glob("*.TextGrid"))[:3]
    }
    for form, text in {"long": LONG, "short": SHORT, "chronological": CHRONOLOGICAL}.items():
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
            found[f"{form}-{encoding}.TextGrid"] = text.encode(encoding)
        found[f"{form}-utf-16-be.TextGrid"] = b"\xfe\xff" + text.encode("utf-16-be")
        found[f"{form}-crlf.TextGrid"] = text.replace("\n", "\r\n").encode()
    return found | {"binary.TextGrid": BINARY}


def sounds() -> dict[str, bytes]:
    """Half a second of noise in every format, in two channels and in parts that were joined, by the name of a file."""
    rng = np.random.default_rng(0)
    made: dict[str, bytes] = {}
    for name, options in SOUNDS.items():
        made[name] = _encoded(rng.normal(0, 0.1, (RATE // 2, 1)), **options)
        if name != "gsm610.wav":  # which has one channel
            made[f"stereo-{name}"] = _encoded(rng.normal(0, 0.1, (RATE // 4, 2)), **options)
        made[f"joined-{name}"] = made[name] * 2
    return made | {"tagged.mp3": ID3 + made["a.mp3"] + APE + ID3 + made["a.mp3"]}


def _encoded(samples: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, **options)
    return file.getvalue()


def specs() -> list[str]:
    """A spec of every source with all its keys, of sources inside others, and of both aligners."""
    made = []
    for name, options in SOURCE_OPTIONS.items():
        try:
            made.append(format_spec(name, options(), full=True))
        except (InputError, TypeError):  # needs a key
            made.append(f"{name}:of=(gradient:at=encoder-output)")
    return made


def lhotse_manifests(root: Path) -> Iterator[Path]:
    """Folders with manifests that lhotse wrote: cuts of every kind, packed or not; recordings of several sources."""
    from lhotse import AudioSource, CutSet, Recording, RecordingSet, SupervisionSegment, SupervisionSet
    from lhotse.supervision import AlignmentItem

    audio = root / "audio"
    audio.mkdir()
    for name, n_channels in (("one.wav", 1), ("two.wav", 2), ("left.wav", 1), ("right.wav", 1)):
        soundfile.write(audio / name, ramp(6.0, n_channels), RATE, subtype="PCM_16")
    sources = {
        "one": [AudioSource("file", [0], str(audio / "one.wav"))],
        "two": [AudioSource("file", [0, 1], str(audio / "two.wav"))],
        "apart": [AudioSource("file", [i], str(audio / f"{side}.wav")) for i, side in enumerate(("left", "right"))],
    }
    recordings = RecordingSet.from_recordings(
        Recording(id_, held, RATE, 6 * RATE, 6.0, list(range(1 + (id_ != "one")))) for id_, held in sources.items()
    )
    words = [AlignmentItem("hello", 1.25, 0.25), AlignmentItem("<unk>", 1.5, 0.25, 0.5), AlignmentItem("you", 2.0, 0.5)]
    supervisions = SupervisionSet.from_segments(
        SupervisionSegment(
            f"sup-{id_}-{channel}", id_, 1.0, 2.0, channel, "hello to you", "en", "ann", "f", {"note": [1]},
            {"word": words, "phone": words[:1]},
        )
        for id_, channel in (("one", 0), ("two", 1), ("two", [0, 1]), ("apart", 1))
    )  # fmt: skip
    cuts = CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    trimmed = list(cuts.trim_to_supervisions(keep_overlapping=False))
    mixed = [trimmed[0].append(trimmed[1]).with_id("mixed"), trimmed[0].pad(duration=4.0).with_id("padded")]
    faster = trimmed[0].perturb_speed(1.1).with_id("faster")
    for name, cut_set in {"whole": list(cuts), "every": [*trimmed, *mixed, faster]}.items():
        for packed in (".jsonl", ".jsonl.gz"):
            folder = root / f"{name}{packed}" / "lhotse"
            folder.mkdir(parents=True)
            CutSet.from_cuts(cut_set).to_file(folder / f"cuts{packed}")
            yield folder
    folder = root / "apart" / "lhotse"
    folder.mkdir(parents=True)
    recordings.to_file(folder / "recordings.jsonl.gz")
    supervisions.to_file(folder / "supervisions.jsonl")
    yield folder
