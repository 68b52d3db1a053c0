"""The judgements of `.ci/run`: what is green, and that each of them can say no."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.house.rules import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

README = "# Title\n\n<!-- tests -->\n```bash\npip install x && pytest\n```\n"


@pytest.fixture
def checks() -> ModuleType:
    """Load `.ci/checks.py`, which no package holds."""
    spec = importlib.util.spec_from_file_location("checks", ROOT / ".ci" / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def junit(*cases: str) -> str:
    """Write a JUnit file with one test case for each text, the text inside."""
    inner = "".join(f'<testcase classname="a" name="t">{case}</testcase>' for case in cases)
    return f"<testsuites><testsuite>{inner}</testsuite></testsuites>"


def skip(reason: str, kind: str = "pytest.skip") -> str:
    """Write what pytest writes for a test it skipped."""
    return f'<skipped type="{kind}" message="{reason}"/>'


def test_the_script_is_a_program_bash_understands() -> None:
    """`.ci/run` is executable and parses."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert 0 == subprocess.run(["bash", "-n", script], check=False).returncode  # noqa: S607 - whichever bash runs it


def test_the_readme_says_how_to_run_the_tests(checks: ModuleType) -> None:
    """The README has the block from which CI takes its command."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install -e '.[all,dev]' && pytest -n 2 --dist loadfile" == checks.readme_command(
        text
    )


def test_the_command_is_the_line_in_the_block(checks: ModuleType) -> None:
    """Other blocks of the README do not matter."""
    text = "```bash\nother\n```\n" + README + "\n```\nanother\n```\n"
    assert "pip install x && pytest" == checks.readme_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- tests -->\npip install x && pytest\n",
        README + README,
        README.replace(" && ", "\n"),
        README.replace("pip install x && pytest", ""),
    ],
)
def test_a_readme_without_one_clear_command_is_refused(checks: ModuleType, text: str) -> None:
    """No block, no fence, two blocks, two commands and no command are all refused."""
    with pytest.raises(checks.CheckError):
        checks.readme_command(text)


def test_tests_are_counted(checks: ModuleType) -> None:
    """An expected failure is neither passed nor skipped."""
    counts = checks.outcomes(junit("", "", skip("known", "pytest.xfail")))
    assert {"passed": 2, "xfailed": 1} == counts
    assert "2 passed, 0 failed, 0 skipped" == checks.check_tests(counts)


def test_a_skipped_test_is_refused_unless_allowed(
    checks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing component does not turn a test into a pass."""
    text = junit("", skip("no chromium here"))
    with pytest.raises(checks.CheckError, match=r"a\.t: no chromium here"):
        checks.outcomes(text)

    monkeypatch.setattr(checks, "ALLOWED_SKIPS", ("^no chromium",))
    assert "1 passed, 0 failed, 1 skipped" == checks.check_tests(checks.outcomes(text))


@pytest.mark.parametrize("cases", [(), ("<failure/>", ""), ("<error/>", "")])
def test_no_tests_and_failed_tests_are_refused(checks: ModuleType, cases: tuple[str, ...]) -> None:
    """Nothing run is no success, whatever the exit code was."""
    with pytest.raises(checks.CheckError):
        checks.check_tests(checks.outcomes(junit(*cases)))


def test_a_few_failed_tests_are_named_and_many_are_not_run_again(checks: ModuleType) -> None:
    """Many that fail have a fault in common, and none at all is no reason to fail."""
    failed = "<failure/>"
    assert "run again, alone:\n  a.t\n  a.t" == checks.few_failed(junit("", failed, failed))
    for cases in [("",), (failed,) * (checks.MOST_AGAIN + 1)]:
        with pytest.raises(checks.CheckError, match="failed, at most"):
            checks.few_failed(junit(*cases))


def test_what_failed_counts_as_it_did_alone(
    checks: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A test that fails alone has failed; one that passes is counted, and said to need that."""
    first, again = tmp_path / "first.xml", tmp_path / "again.xml"

    def said(second: str) -> str:
        again.write_text(second)
        code = checks.main(["tests", str(first), str(again)])
        seen = capsys.readouterr()
        return f"{code} {seen.out or seen.err}".strip()

    first.write_text(junit("", "", "<failure/>"))
    assert said(junit("")) == "0 3 passed, 0 failed, 0 skipped; 1 of them passed only alone"
    assert said(junit("<failure/>")) == "1 tests: 2 passed, 1 failed"
    for other in (junit(), junit("", "")):
        assert said(other).startswith("1 tests: 1 failed, and ")


def test_what_pytest_writes_is_what_is_read(checks: ModuleType, tmp_path: Path) -> None:
    """The shape assumed above is the one pytest gives."""
    (tmp_path / "test_three.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no server')\n"
        "@pytest.mark.xfail\ndef test_c(): assert False\n",
        encoding="utf-8",
    )
    report = tmp_path / "junit.xml"
    assert 0 == pytest_run(tmp_path, f"--junit-xml={report}")
    with pytest.raises(checks.CheckError, match=r"test_three\.test_b: no server"):
        checks.outcomes(report.read_text(encoding="utf-8"))


def pytest_run(folder: Path, *arguments: str) -> int:
    """Run pytest in a process of its own, away from our settings, and give its exit code."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, *arguments, folder],
        env=environment,
        check=False,
        capture_output=True,
    ).returncode


def kept(**changes: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a run file, as far as it is looked at."""
    return json.dumps({"status": "complete", "recommendations": [{"verdict": "size"}], **changes})


def test_a_complete_run_file_is_accepted(checks: ModuleType) -> None:
    """Complete and with a recommendation is what a run leaves behind."""
    assert "run file: complete, 1 recommendation(s)" == checks.check_run_file(kept())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        kept(status="interrupted"),
        kept(recommendations=[]),
        kept(recommendations={}),
        kept(throughput=float("nan")),
    ],
)
def test_a_run_file_that_is_not_whole_is_refused(checks: ModuleType, text: str) -> None:
    """No JSON, no record, not complete, no recommendation, not a number: all refused."""
    with pytest.raises(checks.CheckError):
        checks.check_run_file(text)


def test_every_scenario_we_ship_is_listed(checks: ModuleType) -> None:
    """A scenario is listed by its whole name; shipping none is refused as well."""
    assert "scenarios: all 2 listed" == checks.check_scenarios("a-b  x\nc  y\n", ["c", "a-b"])
    for listing, shipped in (("a-b\n", ["a"]), ("a\n", ["a", "b"]), ("a\n", [])):
        with pytest.raises(checks.CheckError):
            checks.check_scenarios(listing, shipped)


def test_the_exit_code_says_what_was_found(
    checks: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Green is 0 and on standard output; anything else is 1, the reason on standard error."""
    report = tmp_path / "junit.xml"
    report.write_text(junit(""), encoding="utf-8")
    assert 0 == checks.main(["summary", str(report)])
    assert ("1 passed, 0 failed, 0 skipped\n", "") == tuple(capsys.readouterr())

    report.write_text(junit(), encoding="utf-8")
    assert 1 == checks.main(["tests", str(report)])
    assert ("", "tests: 0 passed, 0 failed\n") == tuple(capsys.readouterr())
    assert 1 == checks.main(["run-file", str(tmp_path / "absent.json")])


# --- a server with TLS ---


def test_a_machine_without_a_server_with_tls_is_refused(
    checks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that comes with the package has none, and is not enough."""
    monkeypatch.delenv("VALKEYBENCH_SERVER", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(checks.CheckError, match="no server with TLS"):
        checks.check_tls_server()


STANZAS = """\
Types: deb
# a mirror
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.invalid/security
Suites: bookworm-security
Components: main
"""

LINES = """\
deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian bookworm main contrib
deb-src http://mirror.invalid/debian bookworm main
deb http://mirror.invalid/debian bookworm-updates main
# deb http://other.invalid/debian bookworm main
"""


def test_backports_are_looked_for_where_the_release_comes_from(checks: ModuleType) -> None:
    """Same place, same key; other suites and sources are left out. Both forms are known."""
    assert """\
Types: deb
# a mirror
URIs: http://mirror.invalid/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
""" == checks.backports(STANZAS, "bookworm")
    assert """\
deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian bookworm-backports main contrib
""" == checks.backports(LINES, "bookworm")
    assert "" == checks.backports(STANZAS + LINES, "trixie")


def test_what_is_installed_must_be_pinned(checks: ModuleType) -> None:
    """To that very version, however the name is spelt; what is pinned and absent does no harm."""
    pins = "# why\n\nsome-thing==1.2\nother==3\n"
    installed = {"Some_Thing": "1.2", "pip": "9", "valkeybench": "0"}
    assert "1 packages, all of the versions listed" == checks.check_pinned(pins, installed)
    for wrong in ({"some.thing": "1.3"}, {"new": "1"}):
        with pytest.raises(checks.CheckError, match="installed, and not as"):
            checks.check_pinned(pins, installed | wrong)
    with pytest.raises(checks.CheckError):
        checks.check_pinned("", {})
