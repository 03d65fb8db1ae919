"""Signatures of runs and findings, on one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from align_eval.records import Run


def run_signature_line(run: Run) -> str:
    """Return the signature of a run: model, corpus, settings and package versions."""
    s = run.signature
    names = ("text", "context", "device", "dtype", "batch", "seed")  # scores of files have neither model nor device
    settings = " ".join(f"{name}={s[name]}" for name in names if name in s)
    packages = " ".join(f"{name}-{version}" for name, version in s["packages"].items() if version != "absent")
    return (
        f"signature {s['id']}: model {s['model']} {s['model_checksum'][:12]}, corpus {s['corpus']} "
        f"{s['corpus_checksum'][:12]}, {settings}, {packages}"
    )


def signature_line(finding: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Return the signature of a finding and of the run that it was computed from."""
    return (
        f"{finding['finding']} {finding['id']}, seed={finding['seed']}, from run {run['id']}: model {run['model']} "
        f"{run['model_checksum'][:12]}, corpus {run['corpus']} {run['corpus_checksum'][:12]}, context={run['context']}"
    )
