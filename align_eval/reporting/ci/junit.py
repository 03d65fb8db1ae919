"""The gate's answer as JUnit XML: a case a system, kind of reference and metric.

A case holds the verdicts on all words and on each speaker: it fails where one is a regression, and is skipped, with the
reason, where none is and one is undecided.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET  # writes only; nothing is parsed

from align_eval.gate.records import Check, Comparison, worst_of
from align_eval.reporting.gate_text import METRICS, headline, sentence

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, not even as references."""


def junit(found: Comparison, *, strict: bool = False) -> str:
    """The document. ``strict``: what is undecided fails."""
    cases: dict[tuple[str, str, str], list[Check]] = {}
    for check in found.checks:
        cases.setdefault((check.system, check.reference, check.metric), []).append(check)
    verdicts = {case: worst_of(check.verdict for check in checks) for case, checks in cases.items()}
    failing = {"regression", "undecided"} if strict else {"regression"}
    n_failures = sum(verdict in failing for verdict in verdicts.values())
    n_skipped = sum(verdict == "undecided" and verdict not in failing for verdict in verdicts.values())
    counts = {"tests": str(len(cases)), "failures": str(n_failures), "errors": "0", "skipped": str(n_skipped)}
    root = ET.Element("testsuites", {"name": "align-eval compare", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _clean(headline(found)), **counts})
    for (system, reference, metric), checks in cases.items():
        name = f"{METRICS[metric]}, {reference} reference"
        case = ET.SubElement(suite, "testcase", {"classname": _clean(system), "name": _clean(name)})
        verdict = verdicts[system, reference, metric]
        if verdict != "pass":
            lines = [_clean(sentence(check)) for check in checks if check.verdict == verdict]
            kind = "failure" if verdict in failing else "skipped"
            told = ET.SubElement(case, kind, {"message": lines[0], **({"type": verdict} if kind == "failure" else {})})
            told.text = "\n".join(lines)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    return NOT_XML.sub("\ufffd", text)
