"""The start-up benchmark: fair turns, honest sums, and an exit code that can say no."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import startup
from benchmarks.startup import Timings, interleave, main, table

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = f"{shlex.quote(sys.executable)} -c pass"


def test_the_ratio_is_between_the_medians() -> None:
    """One slow start changes nothing."""
    timings = Timings(command_ns=(3_000_000, 900_000_000, 3_000_000), baseline_ns=(2_000_000,))

    assert 1.5 == timings.ratio
    assert [
        "command         3.0 ms      3.0 ms    900.0 ms",
        "baseline        2.0 ms      2.0 ms      2.0 ms",
        "ratio          1.50",
    ] == table(timings).splitlines()[1:]


def test_the_programs_take_turns_about_who_is_first(tmp_path: Path) -> None:
    """After one start of each that is not kept: command, baseline; then baseline, command."""
    log = tmp_path / "log"
    write = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"

    timings = interleave(
        [sys.executable, "-c", write, str(log), "c"],
        [sys.executable, "-c", write, str(log), "b"],
        rounds=3,
    )

    assert "cb" + "cbbccb" == log.read_text(encoding="utf-8")
    assert (3, 3) == (len(timings.command_ns), len(timings.baseline_ns))


@pytest.mark.parametrize(("limit", "code"), [("0", startup.OVER_LIMIT), ("1000000", startup.DONE)])
def test_over_the_limit_is_exit_code_one(
    limit: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is printed either way."""
    programs = ["--command", NOTHING, "--baseline", NOTHING]

    assert code == main(["--rounds", "1", "--limit", limit, *programs])
    assert "ratio" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["/no/such/program", f"{shlex.quote(sys.executable)} -c 'raise SystemExit(\"no\")'"]
)
def test_a_program_that_does_not_run_is_not_timed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails fast is not fast: exit code 2, the reason on standard error, no table."""
    assert startup.NOT_RUN == main(["--rounds", "1", "--command", command])
    assert "" == capsys.readouterr().out


def test_no_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no median of nothing."""
    with pytest.raises(SystemExit, match="2"):
        main(["--rounds", "0"])
    assert "invalid positive value" in capsys.readouterr().err
