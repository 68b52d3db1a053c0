"""Writes a verdict as JUnit XML: a test case for each limit, as CI systems read it.

What fails is a failure, what can't be told is skipped: no CI system knows a third outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from valkeybench.analysis.verdict import Ruling
from valkeybench.report.gate import where, why
from valkeybench.report.text import typeface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.analysis.verdict import Finding, Verdict

_SUITE = "valkeybench gate"


def junit(verdict: Verdict, names: Mapping[str, str]) -> str:
    """Write it; texts are made harmless, as XML cannot hold every sign."""
    counts = {
        ruling: sum(_shown(finding) is ruling for finding in verdict.findings) for ruling in Ruling
    }
    suite = Element(
        "testsuite",
        name=_SUITE,
        tests=str(len(verdict.findings)),
        failures=str(counts[Ruling.FAIL]),
        errors="0",
        skipped=str(counts[Ruling.CANNOT_SAY]),
    )
    for finding in verdict.findings:
        case = SubElement(
            suite,
            "testcase",
            classname=_plain(f"valkeybench.{where(finding, names)}"),
            name=_plain(finding.limit),
            time="0",
        )
        _add_outcome(case, finding, _shown(finding))
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _shown(finding: Finding) -> Ruling:
    """Give the ruling CI is told: what is only advice fails nothing."""
    return Ruling.CANNOT_SAY if finding.is_warning else finding.ruling


def _add_outcome(case: Element, finding: Finding, ruling: Ruling) -> None:
    message = _plain(f"measured {finding.measured}: {why(finding)}")
    if ruling is Ruling.FAIL:
        failure = SubElement(case, "failure", message=message, type="limit")
        failure.text = _plain(f"{finding.limit}: {finding.measured} {finding.between}".strip())
    elif ruling is Ruling.CANNOT_SAY:
        SubElement(case, "skipped", message=message)
    else:
        SubElement(case, "system-out").text = message


def _plain(text: str) -> str:
    return typeface("utf-8").text(text)
