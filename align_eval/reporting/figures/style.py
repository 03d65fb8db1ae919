"""Colours and line styles of the figures."""

from __future__ import annotations

from collections.abc import Mapping

from align_eval.reporting.run_view import Family

COLOURS: Mapping[Family, str] = {
    "attention": "#0067a5",
    "saliency": "#c2500a",
    "hybrid": "#9c4682",
    "control": "#7a7f87",
    "external": "#6a4fb3",
    "reference": "#00795a",
}
"""Colours of the families, as on the light page; colour-blind readers can tell them apart."""

DASHES = ("-", "--", ":", "-.")
"""Line styles, by the number of the dash pattern."""

INK = "#4d4d4d"
"""Colour of totals, axes and notes."""
