"""Writing figures to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from align_eval.errors import InputError
from align_eval.formats.atomic import cannot_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def require_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises
    ------
    InputError
        If it is not.
    """
    try:
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise InputError("figures", "need matplotlib", "pip install 'align-eval[figures]'") from error


def save(picture: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix, with text as text. The same figure gives the same bytes.

    Raises
    ------
    InputError
        If matplotlib does not know the format, or the file cannot be written.
    """
    import matplotlib as mpl

    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "align-eval"}):
            _fix_layout(picture)
            picture.savefig(path, dpi=200, metadata=dates.get(path.suffix))
    except OSError as error:
        raise cannot_write(path, error, "choose another place") from error
    except ValueError as error:
        raise InputError(path, f"cannot be written ({error})", "give a file that ends in .pdf, .svg or .png") from error


def save_png(picture: Figure, path: Path) -> None:
    """Write a figure as PNG for the screen.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        picture.savefig(path, dpi=120)
    except OSError as error:
        raise cannot_write(path, error, "choose another place") from error


def _fix_layout(picture: Figure) -> None:
    """Round the layout to six decimals: further digits depend on the order of the solver's work."""
    picture.draw_without_rendering()
    picture.set_layout_engine("none")
    for axis in picture.axes:
        left, bottom, width, height = (round(float(value), 6) for value in axis.get_position().bounds)
        axis.set_position((left, bottom, width, height))
