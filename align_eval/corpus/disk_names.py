"""Names on disk: macOS writes file names decomposed (NFD), most other programs composed (NFC)."""

from __future__ import annotations

import os
from pathlib import Path

from align_eval.text import composed


def on_disk(path: Path) -> Path:
    """The existing path that is equal in NFC; the path itself if it exists, or if there is none."""
    if str(path).isascii() or os.path.lexists(path):
        return path
    found = [Path(path.anchor)]
    for part in path.parts[1:] if path.anchor else path.parts:
        found = [folder / name for folder in found for name in _names_equal_in_nfc(folder, part)]
    return min(found, default=path)


def _names_equal_in_nfc(folder: Path, name: str) -> list[str]:
    if name.isascii():
        return [name] if os.path.lexists(folder / name) else []
    return [other for other in os.listdir(folder) if composed(other) == composed(name)] if folder.is_dir() else []
