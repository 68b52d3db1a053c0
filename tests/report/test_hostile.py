"""A result file from anybody is shown or refused: quickly, within bounds, and without harm."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.report.examples import shown, two_cases
from tests.server.processes import ROOT
from valkeybench.errors import ExitCode, ResultError
from valkeybench.report.formats import Format, sheets
from valkeybench.report.overlay import document_of, name_runs
from valkeybench.results import store
from valkeybench.results.bounds import LARGEST
from valkeybench.results.store import MOST_CASES, MOST_VALUES, read_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = "\x1b[2J<script>alert(1)</script>|`[x](javascript:1)\n\u202e"
MANY = 1_000_000
MOST_MEMORY = 1 << 30


@cache
def a_text() -> str:
    """Give a run as it is kept."""
    return two_cases().model_dump_json(by_alias=True)


def places(part: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Name every place in a document; of a list the first item stands for all."""
    parts = part.items() if isinstance(part, dict) else enumerate(part[:1])
    for name, inner in parts:
        yield (*at, name)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, name))


@cache
def all_places() -> list[tuple[Any, ...]]:
    """Name every place in a run."""
    return list(places(json.loads(a_text())))


def spoilt(place: tuple[Any, ...], value: object) -> str:
    """Write a run with something else at one place."""
    document = part = json.loads(a_text())
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    return json.dumps(document)


def refused(path: Path, text: str) -> str:
    """Give the reason why a file is no run."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError) as caught:
        read_run(path)
    assert ExitCode.RESULT == caught.value.exit_code
    return caught.value.message


STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, -1, LARGEST, -LARGEST, 1e18, 5e-324, 10**400, "", SCRIPT, None, True, [], {}, [[]]]
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(all_places()), STRANGE)
@example(("cases", 0, "axes", "driver"), [])
@example(("cases", 0, "axes", "max_connections"), "")
@example(("cases", 0, "axes", "client"), {})
@example(("cases", 0, "id"), SCRIPT)
@example(("tool", "version"), SCRIPT)
def test_whatever_stands_anywhere_is_shown_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: object
) -> None:
    """In the terminal and in every format; no control character comes through."""
    path = tmp_path_factory.getbasetemp() / "spoilt.json"
    path.write_text(spoilt(place, value), encoding="utf-8")
    try:
        runs = name_runs(["run"], [read_run(path)])
        page = shown(document_of(runs))
        assert "\x1b" not in page
        assert "\u202e" not in page
        for form in Format:
            for sheet in sheets(runs, form):
                assert "\x1b" not in sheet.text
                if form is Format.MARKDOWN:
                    assert "<script" not in sheet.text
    except ResultError:
        pass


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "is not JSON: recursion limit"),
        ('{"schema_version": NaN}', "is not JSON"),
        ('{"schema_version": 1, "environment": {"a": [1e999]}}', "beyond all bounds"),
        ('{"schema_version": ' + "9" * 5000 + "}", "is not"),
    ],
)
def test_what_json_cannot_bound_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Deep nesting, no numbers, and numbers beyond all bounds."""
    assert reason in refused(tmp_path / "run.json", text)


def test_more_than_a_run_has_is_refused_before_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values, cases, and names in one place."""
    path = tmp_path / "run.json"
    values = refused(path, "[" + "0," * (MOST_VALUES + 1) + "0]")
    assert f"more values than a run file has ({MOST_VALUES} at most)" in values
    cases = f'{{"schema_version":1,"cases":[{"{}," * MOST_CASES}{{}}]}}'
    assert f"has {MOST_CASES + 1} cases; {MOST_CASES} are the most" in refused(path, cases)
    names = ",".join(f'"{n}":0' for n in range(20_000))
    assert "names in one place" in refused(path, f'{{"schema_version":1,"a":[[{{{names}}}]]}}')
    monkeypatch.setattr(store, "LARGEST_FILE", 10)
    assert "too large" in refused(path, " " * 11)


def test_a_million_mistakes_are_one(tmp_path: Path) -> None:
    """One bad item of a list is enough; counting the rest would take gigabytes."""
    bad = spoilt(("cases", 0, "trials", 0, "handlers"), ["x"] * 1000)
    assert "more)" not in refused(tmp_path / "run.json", bad)


def test_a_histogram_that_would_unpack_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    """Nor is anything concluded from the file; the reason is said."""
    packed = zlib.compress(b"\0" * (1 << 26))
    bomb = base64.b64encode(b"\x1c\x84\x93\x14" + len(packed).to_bytes(4) + packed).decode()
    path = tmp_path / "run.json"
    place = ("cases", 0, "trials", 0, "histograms", "response")
    path.write_text(spoilt(place, bomb), encoding="utf-8")
    with pytest.raises(ResultError, match="too long to be a histogram of ours"):
        read_run(path)


MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Runs what it is told, and prints the most kilobytes that took."""


@pytest.mark.skipif(sys.platform != "linux", reason="counts kilobytes as Linux does")
@pytest.mark.parametrize("case", ["{}", '{"id":"","axes":{},"summary":null,"trials":[]}'])
def test_a_million_cases_end_in_one_message_and_little_memory(tmp_path: Path, case: str) -> None:
    """Whether they are cases or not: exit code 5, less than a gigabyte."""
    head = json.dumps(json.loads(a_text()) | {"cases": []}).replace(
        '"cases": []', '"cases": [' + f"{case}," * MANY + f"{case}]"
    )
    (tmp_path / "run.json").write_text(head, encoding="utf-8")
    # A process counts what it was forked from, so one that is small does the forking.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "valkeybench", "report", "run.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ExitCode.RESULT == done.returncode
    assert "Traceback" not in done.stderr
    assert "run.json" in done.stderr
    assert int(done.stdout.splitlines()[-1]) * 1024 < MOST_MEMORY
