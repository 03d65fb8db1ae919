"""What a run will take, in words."""

from __future__ import annotations

from rich.console import Console

from align_eval.engine.forecast import Forecast


def print_forecast(found: Forecast, console: Console) -> None:
    """Print what there is to do, what was measured, and what that comes to."""
    audio = found.audio_s / 3600
    masks = f", about {found.n_masks} masks" if found.n_masks else ""
    lines = [
        f"{found.n_utterances} utterances in {found.n_windows} windows, {audio:.2f} hours of audio, "
        f"{found.n_tokens} tokens{masks}",
        "measured, from the shortest to the longest:",
        *(f"  {m.id}: {m.n_frames} frames, {m.n_tokens} tokens, {m.seconds:.2f} s" for m in found.measured),
        *(f"  failed: {message}" for message in found.failures),
        f"expected: {duration(found.seconds)} in one process of this machine, as busy as it is now; loading the model, "
        "scoring and writing come on top",
        f"expected: {found.memory_mb / 1000:.1f} GB of memory at most",
        "nothing was written",
    ]
    for line in lines:
        console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds in the unit that says them in few digits."""
    for unit, length_s in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.1f} s"
