"""Writing figures to files. All text is drawn as it is: neither mathematics nor TeX."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from align_eval.errors import InputError, InputWarning, printable, reason
from align_eval.formats.atomic import write_bytes, writing

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

    form = path.suffix.lower()
    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    content = BytesIO()
    try:
        with (
            mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "align-eval"}),
            _text_as_text(picture, path),
        ):
            _fix_layout(picture)
            picture.savefig(content, format=form.removeprefix(".") or None, dpi=200, metadata=dates.get(form))
    except ValueError as error:
        problem = f"cannot be written ({reason(error)})"
        raise InputError(path, problem, "give a file that ends in .pdf, .svg or .png") from error
    with writing(path, "choose another place"):
        write_bytes(path, content.getvalue())


def png(picture: Figure) -> bytes:
    """Draw a figure as PNG for the screen."""
    content = BytesIO()
    with _text_as_text(picture, "a figure"):
        picture.savefig(content, format="png", dpi=120)
    return content.getvalue()


@contextmanager
def _text_as_text(picture: Figure, place: object) -> Iterator[None]:
    """Draw every text of a figure as it is, escaped; warn once of characters that the font lacks."""
    import matplotlib as mpl
    from matplotlib.text import Text

    for text in picture.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with mpl.rc_context({"text.parse_math": False, "text.usetex": False}):  # for labels that drawing makes
            yield
    lacking = {str(warning.message) for warning in caught if "missing from" in str(warning.message)}
    for warning in caught:
        if str(warning.message) not in lacking:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if lacking:
        problem = f"the font lacks {len(lacking)} of the characters, which are drawn as boxes"
        warnings.warn(InputWarning(f"{place}: {problem}; set font.family in a matplotlibrc file"), stacklevel=4)


def _fix_layout(picture: Figure) -> None:
    """Round the layout to six decimals: further digits depend on the order of the solver's work."""
    picture.draw_without_rendering()
    picture.set_layout_engine("none")
    for axis in picture.axes:
        left, bottom, width, height = (round(float(value), 6) for value in axis.get_position().bounds)
        axis.set_position((left, bottom, width, height))
