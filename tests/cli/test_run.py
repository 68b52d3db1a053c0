"""What `valkeybench run` leaves behind and says, and where it says it."""

from __future__ import annotations

import re
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import (
    TINY,
    Ended,
    checked_run,
    external,
    files_in,
    kept_run,
    valkeybench,
)
from tests.server.processes import ROOT, client
from valkeybench import __version__
from valkeybench.scenario.field import Panel
from valkeybench.scenario.fields import FLAGGED
from valkeybench.scenario.model import (
    Arrivals,
    CertReqs,
    Clients,
    Driver,
    Handshake,
    KeyType,
    Pool,
    TlsVersion,
)
from valkeybench.scenario.reader import read_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

ONE_CASE = (*TINY, "--pool", "blocking")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory in which a run takes place."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def usual(directory: Path) -> Ended:
    """Run with nothing named but a small load: our own server, with a pool and without."""
    return valkeybench(directory, "run", *TINY)


def test_a_run_is_kept_where_it_says(directory: Path, usual: Ended) -> None:
    """One file, named by time and scenario, which the report names; it ends with 0."""
    assert 0 == usual.code, usual.err
    (name,) = files_in(directory)
    assert re.fullmatch(r"results/\d{8}T\d{6}Z-ad-hoc\.json", name)
    assert name in usual.out


def test_a_run_file_is_whole_and_obeys_its_schema(directory: Path, usual: Ended) -> None:
    """Both pool policies, one trial each, and the server agrees about the connections."""
    assert 0 == usual.code
    (name,) = files_in(directory)
    run = kept_run(directory / name)
    assert "complete" == run.status
    assert ("valkeybench", __version__) == (run.tool.name, run.tool.version)
    assert ["none", "blocking"] == [case.axes["pool"] for case in run.cases]
    for case in run.cases:
        (trial,) = case.trials
        assert case.summary is not None
        assert 0 < case.summary.completed == trial.summary.completed
        assert {} == trial.summary.failures
        connections = trial.summary.connections
        assert trial.server is not None
        assert trial.server.connections_counted == connections.prewarmed + connections.opened
        assert trial.summary.attempted == trial.summary.completed + trial.summary.unfinished
    assert run.recommendations


def test_progress_is_plain_lines_on_standard_error(usual: Ended) -> None:
    """A line for the plan and one for each trial; the report is on standard output alone."""
    plan, *trials = usual.err.splitlines()
    assert "2 cases, 2 trials" in plan
    assert ["trial 1/2", "trial 2/2"] == [line[:9] for line in trials]
    assert {"no pool", "blocking 2"} == {line[9:].split(":")[0].strip() for line in trials}
    assert "trial 1/2" not in usual.out
    assert "Results" in usual.out


def test_what_is_piped_has_no_escape_codes(usual: Ended) -> None:
    """Neither colours nor a bar that moves, in a file or a log."""
    said = usual.out + usual.err
    assert "\x1b" not in said
    assert "\r" not in said


def test_json_is_alone_on_standard_output(tmp_path: Path) -> None:
    """With --json the report goes to standard error, and nothing is kept unless asked for."""
    ended = valkeybench(tmp_path, "run", *ONE_CASE, "--json")
    assert 0 == ended.code, ended.err
    assert "complete" == checked_run(ended.out).status
    assert [] == files_in(tmp_path)
    assert "trial 1/1" in ended.err
    assert "Results" in ended.err


def test_a_shipped_scenario_is_run_by_its_name_with_flags_above_it(tmp_path: Path) -> None:
    """Flags win; what they do not name comes from the scenario. Quiet is quiet."""
    ended = valkeybench(
        tmp_path, "run", "undersized", *ONE_CASE, "--prewarm", "-q", "-o", "kept.json"
    )
    assert 0 == ended.code, ended.err
    assert ["kept.json"] == files_in(tmp_path)
    run = kept_run(tmp_path / "kept.json")
    (case,) = run.cases
    assert ("undersized", 300_000_000) == (run.scenario["name"], run.scenario["duration_ns"])
    assert ("blocking", 2, 4) == tuple(
        case.axes[name] for name in ("pool", "max_connections", "concurrency")
    )
    assert str(run.scenario["title"]).startswith("Too small")

    # No progress, and of the report only what it recommends.
    assert "" == ended.err
    assert "ecommended" in ended.out
    assert str(run.scenario["title"]) not in ended.out
    assert "Results" not in ended.out


def test_a_scenario_file_is_run_by_its_path_with_flags_above_it(
    tmp_path: Path, embedded: Endpoint
) -> None:
    """The run is named after the file, and axes of the file expand."""
    (tmp_path / "mine.toml").write_text(
        '[client]\npool = "fair"\nmax_connections = [1, 2]\n'
        '[load]\nconcurrency = 7\nduration = "200ms"\nwarmup = 0\nrepeats = 1\n'
        'commands = ["SET mine:{0..3} {value}", "GET mine:{0..3} @3"]\n'
    )
    ended = valkeybench(tmp_path, "run", "mine.toml", "-c", "3", **external(embedded))
    assert 0 == ended.code, ended.err
    kept, scenario = files_in(tmp_path)[1], files_in(tmp_path)[0]
    assert "mine.toml" == scenario
    assert re.fullmatch(r"results/\d{8}T\d{6}Z-mine\.json", kept)
    run = kept_run(tmp_path / kept)
    assert [1, 2] == [case.axes["max_connections"] for case in run.cases]
    assert {("fair", 3)} == {(case.axes["pool"], case.axes["concurrency"]) for case in run.cases}
    assert embedded.address in ended.out
    with closing(client(embedded)) as asking:
        assert [] == asking.keys("valkeybench:*")


def test_the_next_command_reaches_the_same_server_as_the_same_user(
    tmp_path: Path, embedded: Endpoint
) -> None:
    """The user in the URL is a flag then; a password is neither repeated nor forgotten."""
    assert embedded.password is not None
    login = f"default:{embedded.password.reveal()}"
    url = embedded.address.replace("//", f"//{login}@")
    ended = valkeybench(tmp_path, "run", *ONE_CASE, "--url", url, COLUMNS="400")
    assert 0 == ended.code, ended.err
    assert (
        f"valkeybench run --url {embedded.address} --user default --password-file FILE "
        "--concurrency 4 --think 1ms --duration 300ms --warmup 100ms --repeats 1 --pool "
    ) in ended.out
    assert embedded.password.reveal() not in ended.out


def test_help_names_every_value_and_shows_every_group_at_work(tmp_path: Path) -> None:
    """Nothing is cut at 80 columns; each group of flags has an example that can be pasted."""
    ended = valkeybench(tmp_path, "run", "--help", COLUMNS="80")
    assert 0 == ended.code
    assert [] == re.findall(r"\w+…", ended.out)
    words = " ".join(re.sub("[│╭╰─╮╯]", " ", ended.out).split())
    for name in (*Pool, *Driver, *Clients, *Handshake, *Arrivals, *CertReqs, *KeyType, *TlsVersion):
        assert re.search(rf"\b{re.escape(name)}\b", words)
    for field in FLAGGED:
        assert field.flags[0] in words
    for panel in Panel:
        assert f"{panel}, as in: {panel.example.removeprefix('valkeybench ')}" in words


@pytest.mark.parametrize("panel", Panel)
def test_the_examples_of_help_are_flags_that_go_together(panel: Panel) -> None:
    """Each reads as a scenario, and uses a flag of its own group."""
    _, _, *words = shlex.split(panel.example)
    own = {flag for field in FLAGGED if field.panel is panel for flag in field.flags}
    parameters = {flag: field.parameter for field in FLAGGED for flag in field.flags}
    flags = {parameters[flag]: word for flag, word in zip(words[::2], words[1::2], strict=True)}
    flags.pop("password_file", None)

    assert set(words) & own
    read_scenario({}, flags=flags)


def test_batches_and_their_data_set_are_in_the_run_file(tmp_path: Path) -> None:
    """Keys of several types are loaded first, requests hold the commands they should."""
    words = ("--command", "PIPELINE 3 HGET h:{zipf:0..99} f:{0..4} ; SET s:{seq:0..9} {value}")
    asked = (*words, "--value-size", "lognormal 10..1KiB", "-o", "run.json")
    ended = valkeybench(tmp_path, "run", *TINY, *asked)
    assert 0 == ended.code, ended.err
    run = kept_run(tmp_path / "run.json")

    assert run.data_set is not None
    assert 100 == run.data_set.keys
    for case in run.cases:
        assert case.summary is not None
        assert 0 < case.summary.completed
        assert 4 * case.summary.completed == case.summary.commands
        assert "lognormal 10..1024" == case.axes["value_size"]
        assert {} == case.summary.failures
    assert "data set: 100 keys" in ended.out


def test_a_command_the_server_does_not_know_is_no_run(tmp_path: Path) -> None:
    """It is told before the load starts, with what was meant, and nothing is kept."""
    ended = valkeybench(tmp_path, "run", *TINY, "--command", "GETT k")
    assert 2 == ended.code
    assert "the server has no command GETT" in ended.err
    assert "did you mean GET?" in ended.err
    assert [] == files_in(tmp_path)


def test_version() -> None:
    """It is said on standard output, by the module as by the program."""
    ended = valkeybench(ROOT, "--version")
    assert Ended(0, f"valkeybench {__version__}\n", "") == ended


def test_without_a_command_there_is_help(tmp_path: Path) -> None:
    """It names the commands."""
    ended = valkeybench(tmp_path)
    for name in ("run", "scenarios", "doctor"):
        assert re.search(rf"\b{name}\b", ended.out + ended.err)
    assert "Traceback" not in ended.err


def test_an_emulated_distance_is_called_that_wherever_it_shows(tmp_path: Path) -> None:
    """In what -q leaves, in every line of progress, and in the result, for a program to see."""
    words = ("run", *TINY, "--pool", "blocking", "--rtt", "2ms", "-o", "run.json")
    quiet = valkeybench(tmp_path, *words, "-q")
    assert ("", 0) == (quiet.err, quiet.code)
    assert "emulated rtt 2 ms" in quiet.out
    assert [True] == [case.rtt_emulated for case in kept_run(tmp_path / "run.json").cases]

    told = valkeybench(tmp_path, *words)
    assert all("emulated rtt 2 ms" in line for line in told.err.splitlines() if "trial" in line)
    assert "trial 1/1" in told.err
    near = valkeybench(tmp_path, *words[:-4], "-o", "run.json")
    assert "emulated" not in near.out + near.err
    assert [False] == [case.rtt_emulated for case in kept_run(tmp_path / "run.json").cases]
