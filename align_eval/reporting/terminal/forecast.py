"""Forecast of a run's time and memory on the terminal."""

from __future__ import annotations

from rich.console import Console

from align_eval.engine.forecast import Forecast
from align_eval.reporting.terminal.printing import print_line


def print_forecast(forecast: Forecast, console: Console) -> None:
    """Print the size of the run, the utterances that were measured, and the expected time and memory."""
    audio_h = forecast.audio_s / 3600
    masks = f", about {forecast.n_masks} masks" if forecast.n_masks else ""
    lines = [
        f"{forecast.n_utterances} utterances in {forecast.n_windows} windows, {audio_h:.2f} hours of audio, "
        f"{forecast.n_tokens} tokens{masks}",
        "measured, from the shortest to the longest:",
        *(f"  {m.id}: {m.n_frames} frames, {m.n_tokens} tokens, {m.seconds:.2f} s" for m in forecast.measured),
        *(f"  failed: {message}" for message in forecast.failures),
        f"expected: {duration(forecast.seconds)} in one process on this machine under its present load, without "
        "loading the model, scoring and writing",
        f"expected: at most {forecast.memory_mb / 1000:.1f} GB of memory",
        "nothing was written",
    ]
    for line in lines:
        print_line(console, line)


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    for unit, length_s in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.1f} s"
