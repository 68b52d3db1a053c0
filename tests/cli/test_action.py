"""`action.yml`: the script of the composite action, run with stand-ins for what it installs."""

from __future__ import annotations

import os
import subprocess
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_PYTHON = """\
#!/bin/bash
mkdir -p "$3/bin"
printf '%s\\n' '#!/bin/bash' 'echo "pip <${@: -1}>" >>"$LOG.pip"' >"$3/bin/pip"
cp "$STAND_IN" "$3/bin/valkeybench"
chmod +x "$3/bin/"*
"""
_VALKEYBENCH = """\
#!/bin/bash
printf '<%s> ' "$@" >>"$LOG"
echo >>"$LOG"
[[ $1 == gate ]] && exit "$GATE_CODE"
exit "$RUN_CODE"
"""


def run_action(directory: Path, **variables: str) -> tuple[int, list[str], str]:
    """Run the action's script; give its exit code, what was called, and its outputs."""
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    script = dedent(text.partition("      run: |\n")[2])
    tools = directory / "tools"
    tools.mkdir()
    (tools / "python3").write_text(_PYTHON, encoding="utf-8")
    (tools / "python3").chmod(0o755)
    (directory / "stand-in").write_text(_VALKEYBENCH, encoding="utf-8")
    usual = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "STAND_IN": f"{directory}/stand-in",
        "RUNNER_TEMP": f"{directory}/temp",
        "GITHUB_OUTPUT": f"{directory}/outputs",
        "LOG": f"{directory}/log",
        "SCENARIO": "my.toml",
        "FAIL_IF": "",
        "FLAGS": "",
        "INCONCLUSIVE": "fail",
        "VERSION": "",
        "GITHUB_ACTION_PATH": "/the/action",
        "RUN_CODE": "0",
        "GATE_CODE": "0",
    }
    done = subprocess.run(["/bin/bash", "-c", script], env=usual | variables, check=False)
    called = (directory / "log").read_text(encoding="utf-8").splitlines()
    outputs = directory / "outputs"
    return done.returncode, called, outputs.read_text(encoding="utf-8") if outputs.exists() else ""


def test_each_line_is_one_limit_whatever_is_in_it(tmp_path: Path) -> None:
    """Nothing of an input is read by the shell."""
    limits = "response.p99 > 5ms\n\nfailed > $(touch evil)\n"
    code, called, outputs = run_action(tmp_path, FAIL_IF=limits, FLAGS="--repeats=5\n")

    run = f"{tmp_path}/temp/valkeybench-run.json"
    said = "<--fail-if> <response.p99 > 5ms> <--fail-if> <failed > $(touch evil)>"
    assert (0, f"<run> <my.toml> <--repeats=5> {said} <-o> <{run}> ") == (code, called[0])
    assert called[1].startswith(f"<gate> <{run}> {said} <--junit>")
    assert f"run={run}\n" in outputs
    assert [] == list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    ("version", "installed"), [("", "/the/action[tls]"), ("valkeybench==1.2", "valkeybench==1.2")]
)
def test_what_is_installed_is_what_the_action_came_with(
    tmp_path: Path, version: str, installed: str
) -> None:
    """Unless another is named: a pinned action measures with a pinned valkeybench."""
    run_action(tmp_path, VERSION=version)
    assert f"pip <{installed}>\n" == (tmp_path / "log.pip").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("codes", "inconclusive", "code", "calls"),
    [
        (("0", "0"), "fail", 0, 2),
        (("10", "10"), "fail", 10, 2),
        (("11", "11"), "fail", 11, 2),
        (("11", "11"), "warn", 0, 2),
        (("10", "10"), "warn", 10, 2),
        (("3", "0"), "warn", 3, 1),
    ],
)
def test_the_step_fails_as_the_gate_does(
    tmp_path: Path, codes: tuple[str, str], inconclusive: str, code: int, calls: int
) -> None:
    """A run that could not be made is not gated, and fails in its own way."""
    found, called, outputs = run_action(
        tmp_path, RUN_CODE=codes[0], GATE_CODE=codes[1], INCONCLUSIVE=inconclusive
    )
    assert (code, calls) == (found, len(called))
    assert f"code={codes[calls - 1]}\n" in outputs
