"""A verdict on a terminal, as JUnit XML, as Markdown, and for a job of GitHub's."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

from tests.report.examples import ESCAPE, shown
from valkeybench.analysis.verdict import Finding, Ruling, Verdict
from valkeybench.report.gate import gate_document, verdict_record
from valkeybench.report.github import LARGEST_SUMMARY, fitting, workflow_commands
from valkeybench.report.junit import junit
from valkeybench.report.markdown import markdown

NAMES = {"a": "no pool", "b": f"<b>{ESCAPE}[31m|"}


def finding(ruling: Ruling, *, case: str = "a", is_advice: bool = False) -> Finding:
    """Make a finding."""
    return Finding(
        limit="response.p99 > 5.00 ms",
        cases=(case,),
        ruling=ruling,
        measured="6.00 ms",
        between="5.50 ms … 6.50 ms",
        reason="100 % sure",
        remedy="make it\nquicker",
        numbers={"measured": 6e6, "allowed": 5e6, "low": None},
        is_advice=is_advice,
    )


MIXED = Verdict(
    (
        finding(Ruling.PASS),
        finding(Ruling.CANNOT_SAY),
        finding(Ruling.FAIL, case="b"),
        finding(Ruling.FAIL, is_advice=True),
    ),
    ("the machine drifts",),
)


def test_what_fails_comes_first() -> None:
    """Then what can't be told, then warnings, then what passed; the verdict above all."""
    said = shown(gate_document(MIXED, NAMES), 100)
    assert "FAIL: 1 of 4 findings" in said
    assert "1 warning, which fail nothing" in said
    order = ["FAIL  ", "can't say  ", "warning  ", "pass  "]
    assert sorted(order, key=said.index) == order
    assert "100 % sure. Make it quicker." in said
    assert "The machine drifts." in said


def test_a_warning_alone_passes() -> None:
    """And is not silent about it."""
    verdict = Verdict((finding(Ruling.FAIL, is_advice=True),))
    said = shown(gate_document(verdict, NAMES), 100)
    assert "Pass: 1 finding" in said
    assert "warning" in said


def test_alike_quotients_are_told_apart() -> None:
    """By their cases, where there are several of the same words; a rate is no quotient."""
    names = {"a": "no pool, 500/s", "b": "blocking 10", "c": "blocking 20"}
    one, other = (
        replace(finding(Ruling.PASS), limit="a / b < 2x", cases=("a", second)) for second in "bc"
    )
    assert "(no pool" not in shown(gate_document(Verdict((one,)), names), 120)
    both = shown(gate_document(Verdict((one, other)), names), 120)
    assert "a / b < 2x (no pool, 500/s / blocking 20)" in both
    assert "> 5.00 ms (no pool, 500/s)" in shown(
        gate_document(Verdict((finding(Ruling.PASS),)), names), 120
    )


def test_junit_has_a_case_for_each_limit() -> None:
    """A failure, what can't be told and warnings as skipped; any text is harmless in it."""
    suite = ET.fromstring(junit(MIXED, NAMES)).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert ("4", "1", "2") == tuple(suite.get(key) for key in ("tests", "failures", "skipped"))
    outcomes = [[child.tag for child in case] for case in suite]
    assert [["system-out"], ["skipped"], ["failure"], ["skipped"]] == outcomes
    assert "valkeybench.<b>\\x1b[31m|" == suite[2].get("classname")
    assert {"response.p99 > 5.00 ms"} == {case.get("name") for case in suite}


def test_markdown_shows_what_anybody_named_as_it_is() -> None:
    """No markup of theirs reaches the page."""
    said = markdown(gate_document(MIXED, NAMES))
    assert "<b>" not in said
    assert ESCAPE not in said
    assert "&lt;b&gt;" in said


def test_json_holds_numbers_and_codes() -> None:
    """Unknown is null; the ruling is a word without an apostrophe."""
    told = json.loads(json.dumps(verdict_record(MIXED, NAMES)))
    assert ("fail", "cannot_say") == (told["ruling"], told["findings"][1]["ruling"])
    first = told["findings"][2]
    assert ("response.p99 > 5.00 ms", 6e6, None) == (
        first["limit"],
        first["measured"],
        first["low"],
    )
    assert [False, False, False, True] == [each["advice_only"] for each in told["findings"]]


def test_annotations_are_errors_only_where_the_gate_fails() -> None:
    """The worst first; what would end a workflow command is escaped."""
    lines = workflow_commands(MIXED, NAMES)
    assert ["error", "warning", "warning"] == [line.split()[0].strip(":") for line in lines]
    assert all("\n" not in line for line in lines)
    assert "100 %25 sure" in lines[0]


def test_there_are_ten_annotations_at_most() -> None:
    """The last one counts those that are left out."""
    lines = workflow_commands(Verdict((finding(Ruling.FAIL),) * 25), NAMES)
    assert 10 == len(lines)
    assert "16 more findings" in lines[-1]
    assert 10 == len(workflow_commands(Verdict((finding(Ruling.FAIL),) * 10), NAMES))


def test_a_summary_is_cut_at_a_line_to_fit() -> None:
    """And says so; where there is no room at all, nothing is written."""
    text = "é" * 9 + "\n"
    whole = text * 5
    assert whole == fitting(whole, room=LARGEST_SUMMARY)
    cut = fitting(text * 100, room=200)
    assert len(cut.encode()) <= 200
    assert "Cut here" in cut
    assert {"é" * 9} == set(cut.split("\n\n")[0].splitlines())
    assert "" == fitting(whole, room=10)
    assert "" == fitting(whole, room=-5)
