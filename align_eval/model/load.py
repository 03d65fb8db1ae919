"""Loading of weights: openai names, ``.pt`` files, CTranslate2 and transformers folders, weights in Python packages.

Loading executes no code from these files: checkpoints are read with ``weights_only=True``, and packages with weights
are located, not imported.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import urllib.error
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from align_eval.errors import InputError, InputWarning, did_you_mean, reason
from align_eval.formats.json_file import read_limited
from align_eval.model.build import build_whisper, load_pickled
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.ctranslate2 import CONFIG_JSON, read_variables, set_alignment_heads, to_whisper
from align_eval.model.transformers_folder import generation_config, is_transformers_folder, read_transformers_folder
from align_eval.model.vocabulary import check_tokens, check_vocabulary_size
from align_eval.reading import near_files
from align_eval.weights import WEIGHT_PACKAGES, WeightFile

DEVICES = ("cpu", "cuda", "mps")


def load_model(name_or_path: str | Path, *, device: str = "cpu") -> Whisper:
    """Load a Whisper model in float32 and evaluation mode, without parameter gradients.

    Parameters
    ----------
    name_or_path : str or Path
        An openai name (``tiny.en`` ... ``large-v3-turbo``), a ``.pt`` file, a CTranslate2 folder or a transformers
        folder. A name is looked up in openai-whisper's cache, then in installed weight packages, then downloaded by
        openai-whisper.
    device : str
        A torch device such as ``cpu`` or ``cuda``.

    Returns
    -------
    whisper.model.Whisper
        With the alignment heads of the weights. If no file names them, it has all heads of the upper half of the
        decoder, the default of openai-whisper, with an :class:`~align_eval.errors.InputWarning`.

    Raises
    ------
    InputError
        If the weights do not exist, are damaged or incomplete, or are of another kind of model, or if a file of the
        folder names other tokens than Whisper's.
    """
    path = Path(name_or_path)
    name = str(name_or_path)
    if name in available_models():
        model = _load_named(name)
    elif path.is_dir():
        model = _load_folder(path)
    elif path.is_file():
        model = _load_checkpoint(path)
    else:
        known = available_models()
        kinds = f"give a .pt file, a CTranslate2 or transformers folder, or one of {', '.join(known)}"
        near = did_you_mean(name, known) or did_you_mean(path.name, near_files(path))
        raise InputError(name, "no such model", near + kinds)
    for parameter in model.parameters():
        if not torch.isfinite(parameter).all():
            raise InputError(name, "the weights have values that are not finite", "copy or download them again")
    if device.partition(":")[0] not in DEVICES:
        raise InputError(f"device {device!r}", "is not supported", f"use one of {', '.join(DEVICES)}")
    try:
        return model.float().eval().requires_grad_(False).to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r}", f"cannot be used ({reason(error)})", "use --device cpu") from error


def available_models() -> list[str]:
    """Names of openai-whisper's models."""
    return list(whisper.available_models())


def check_precision(model: Whisper) -> None:
    """Raise if not all parameters of a model are float32, since results would then state a wrong precision.

    Raises
    ------
    InputError
        If a parameter has another dtype.
    """
    kinds = {parameter.dtype for parameter in model.parameters()}
    if kinds != {torch.float32}:
        listed = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        raise InputError("model", f"its parameters are {listed}", "give a float32 model, as from load_model")


def model_checksum(model: Whisper) -> str:
    """SHA-256 over the loaded weights and the alignment heads, independent of their file format."""
    return model_checksums(model)[1]


def weights_checksum(model: Whisper) -> str:
    """SHA-256 over the loaded weights alone: that of a model whose file names other alignment heads is the same."""
    return _weights_digest(model).hexdigest()


def model_checksums(model: Whisper) -> tuple[str, str]:
    """:func:`weights_checksum` and :func:`model_checksum`, from one reading of the weights."""
    digest = _weights_digest(model)
    of_weights = digest.hexdigest()
    digest.update(repr(sorted(alignment_heads(model))).encode())
    return of_weights, digest.hexdigest()


def _weights_digest(model: Whisper) -> hashlib._Hash:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest


def processor_facts() -> dict[str, Any]:
    """Instructions and threads of the processor, which decide the last bits of sums."""
    return {"instructions": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()}


def _load_named(name: str) -> Whisper:
    cache = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
    cached = cache / Path(whisper._MODELS[name]).name
    package = WEIGHT_PACKAGES.get(name)
    if package and not cached.is_file() and all(find_spec(part.package) for part in package.parts):
        data = b"".join(_read_checked(part) for part in package.parts)
        model = to_whisper(read_variables(data, f"model {name}"), f"model {name}")
        set_alignment_heads(model, _read_checked(package.config), package.config.path)
        return model
    try:
        return whisper.load_model(name, device="cpu")
    except (urllib.error.URLError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        alternative = f"pip install 'align-eval[{package.extra}]', or " if package else ""
        raise InputError(
            f"model {name}",
            f"is not in {cache} and could not be downloaded ({reason(error)})",
            f"{alternative}put openai's {cached.name} into that folder",
        ) from error


def _load_folder(folder: Path) -> Whisper:
    binary, config = folder / "model.bin", folder / "config.json"
    if is_transformers_folder(folder) and not binary.is_file():
        model = read_transformers_folder(folder)
        named = set_alignment_heads(model, *generation_config(folder))
    else:
        for path in (binary, config):
            if not path.is_file():
                remedy = "use a folder written by a CTranslate2 converter or by transformers' save_pretrained"
                raise InputError(folder, f"has no {path.name}", remedy)
        model = to_whisper(read_variables(binary.read_bytes(), binary), binary)
        named = set_alignment_heads(model, read_limited(config, CONFIG_JSON), config)
    check_vocabulary_size(model, folder)
    check_tokens(folder, model)
    if not named:
        _warn_of_heads(folder)
    return model


def _warn_of_heads(place: object) -> None:
    message = (
        "names no alignment heads: heads=alignment is all heads of the upper half of the decoder, as in openai-whisper"
    )
    warnings.warn(InputWarning(f"{place}: {message}"), stacklevel=2)


def _load_checkpoint(path: Path) -> Whisper:
    try:
        checkpoint = load_pickled(path)
        model = build_whisper(ModelDimensions(**checkpoint["dims"]), checkpoint["model_state_dict"])
    except Exception as error:  # of a damaged pickle, anything
        problem = f"is not an openai-whisper checkpoint, or is damaged ({reason(error)})"
        raise InputError(path, problem, "download it again") from error
    check_vocabulary_size(model, path)
    # A checkpoint does not name its alignment heads; openai's files are identified by the checksum in their URL.
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for name, url in whisper._MODELS.items():
        if sha256 in url:
            model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
            return model
    _warn_of_heads(path)
    return model


def _read_checked(file: WeightFile) -> bytes:
    spec = find_spec(file.package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"package {file.package}", "is not installed", "install the extra with this package")
    path = Path(next(iter(spec.submodule_search_locations))) / file.path
    if not path.is_file():
        raise InputError(path, "is missing from its package", "reinstall the package")
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != file.sha256:
        raise InputError(path, f"SHA-256 is {sha256}, not {file.sha256}", "reinstall the package")
    return data
