"""JUnit XML of a comparison: one test case per system, kind of reference and metric.

A case covers all words and each speaker. It fails if one of these verdicts is a regression. It is skipped, with the
reason, if none is a regression and one is undecided. The answers of the run are properties of the suite.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET  # writes only; nothing is parsed

from align_eval.errors import printable
from align_eval.gate.verdicts import Check, Comparison, worst_of
from align_eval.reporting.answer_sentences import sentence as answer_sentence
from align_eval.reporting.answer_sentences import source_name
from align_eval.reporting.gate_sentences import METRICS, headline, sentence
from align_eval.reporting.reference_order import in_order


def junit(comparison: Comparison, *, strict: bool = False) -> str:
    """Return the XML document. With ``strict``, undecided cases fail."""
    cases: dict[tuple[str, str, str], list[Check]] = {}
    for check in comparison.checks:
        cases.setdefault((check.system, check.reference, check.metric), []).append(check)
    verdicts = {case: worst_of(check.verdict for check in checks) for case, checks in cases.items()}
    failing = {"regression", "undecided"} if strict else {"regression"}
    n_failures = sum(verdict in failing for verdict in verdicts.values())
    n_skipped = sum(verdict == "undecided" and verdict not in failing for verdict in verdicts.values())
    counts = {"tests": str(len(cases)), "failures": str(n_failures), "errors": "0", "skipped": str(n_skipped)}
    root = ET.Element("testsuites", {"name": "align-eval compare", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": printable(headline(comparison)), **counts})
    _add_answers(suite, comparison)
    for (system, reference, metric), checks in cases.items():
        name = f"{METRICS[metric]}, {reference} reference"
        case = ET.SubElement(suite, "testcase", {"classname": printable(system), "name": printable(name)})
        verdict = verdicts[system, reference, metric]
        if verdict == "pass":
            continue
        lines = [printable(sentence(check)) for check in checks if check.verdict == verdict]
        if verdict in failing:
            result = ET.SubElement(case, "failure", {"message": lines[0], "type": verdict})
        else:
            result = ET.SubElement(case, "skipped", {"message": lines[0]})
        result.text = "\n".join(lines)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_answers(suite: ET.Element, comparison: Comparison) -> None:
    """Add the sentence of each answer as a property, in the element that precedes the cases."""
    if not comparison.answers:
        return
    properties = ET.SubElement(suite, "properties")
    for answer in in_order(comparison.answers):
        name = f"answer on the {source_name(answer)}, {answer.reference} reference"
        texts = {"name": printable(name), "value": printable(answer_sentence(answer))}
        ET.SubElement(properties, "property", texts)
