"""What would make a load impossible is found out before it, and said with what to do."""

from __future__ import annotations

import os
import resource

import pytest

from valkeybench.errors import Problem, ScenarioError
from valkeybench.load import preflight
from valkeybench.load.placement import place
from valkeybench.load.preflight import (
    check_clients,
    check_room,
    open_files_limit,
    raise_open_files_limit,
)
from valkeybench.measurement.reading import ServerFacts
from valkeybench.plan.trial import Plan, make_plan
from valkeybench.scenario.model import Axes, Client, Driver, EventLoop, Pool, Scenario, TlsSettings
from valkeybench.server.endpoint import Endpoint

NOTHING_SPECIAL = TlsSettings()
WATCHERS, OTHER_FILES = 2, 64
SOMEWHERE = Endpoint(host="127.0.0.1", port=1)


def plan_of(**axes: object) -> Plan:
    """Plan a scenario with these axes."""
    return make_plan(Scenario(axes=Axes(**axes)), key_prefix="")  # type: ignore[arg-type]  # by name


def problems(plan: Plan, facts: ServerFacts) -> tuple[Problem, ...]:
    """Give what stands in the way of a plan."""
    try:
        check_room(plan, facts)
    except ScenarioError as error:
        return error.problems
    return ()


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Let a system limit open files to 100, and 1000 when asked; note what is asked."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 1000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    return asked


@pytest.mark.parametrize(
    ("connected", "is_room"),
    [(1, True), (None, True), (8 - WATCHERS + 1, True), (8 - WATCHERS + 2, False), (100, False)],
)
def test_the_server_must_have_room_for_all_and_for_us(
    connected: int | None, *, is_room: bool
) -> None:
    """Of the largest case: every process's pool; the others there are counted without ourselves."""
    plan = plan_of(max_connections=(1, 4), processes=(2,), concurrency=(3,))
    facts = ServerFacts(maxclients=16, connected_clients=connected)
    assert 8 == plan.most_connections
    assert is_room == (problems(plan, facts) == ())


def client_problems(plan: Plan, trust: TlsSettings = NOTHING_SPECIAL) -> list[str]:
    """Name the places of what event loops cannot do."""
    try:
        check_clients(plan, trust)
    except ScenarioError as error:
        return [problem.place for problem in error.problems]
    return []


def test_uvloop_must_be_installed_and_emulates_no_distance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are said at once and before the load, and only of cases that would use it."""
    asked: dict[str, object] = {"event_loop": (EventLoop.UVLOOP,), "rtt_ns": (1000,)}
    assert ["load.rtt"] == client_problems(plan_of(driver=(Driver.ASYNCIO,), **asked))
    monkeypatch.setattr(preflight, "find_spec", lambda _: None)
    both = ["client.event_loop", "load.rtt"]
    assert both == client_problems(plan_of(driver=(Driver.ASYNCIO,), **asked))
    assert [] == client_problems(plan_of(**asked))


def test_valkey_py_must_be_installed_and_lacks_some_levers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are said at once and before the load; its asyncio side lacks more of them."""
    libraries: dict[str, object] = {"client": (Client.VALKEY_PY,)}
    with_tasks = plan_of(driver=(Driver.ASYNCIO,), **libraries)
    assert [] == client_problems(plan_of(**libraries)) == client_problems(with_tasks)
    flags = TlsSettings(include_verify_flags=("VERIFY_X509_STRICT",))
    places = ["server.ssl_include_verify_flags"]
    assert places == client_problems(plan_of(**libraries), flags)
    assert [] == client_problems(plan_of(), flags)
    path = TlsSettings(ca_path="somewhere")
    assert ["client.driver"] == client_problems(with_tasks, path)
    assert [] == client_problems(plan_of(**libraries), path)
    monkeypatch.setattr(preflight, "find_spec", lambda _: None)
    assert ["client.client"] == client_problems(plan_of(**libraries))


@pytest.mark.parametrize(
    ("driver", "package"),
    [(Driver.THREADS, "valkey-glide-sync"), (Driver.ASYNCIO, "valkey-glide")],
)
def test_valkey_glide_is_a_package_for_each_driver(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, package: str
) -> None:
    """The one that is missing is named, and how to get both."""
    plan = plan_of(client=(Client.VALKEY_GLIDE,), driver=(driver,))
    assert [] == client_problems(plan)
    monkeypatch.setattr(preflight, "find_spec", lambda _: None)
    with pytest.raises(ScenarioError) as caught:
        check_clients(plan, NOTHING_SPECIAL)
    [problem] = caught.value.problems
    assert f"the package {package} is not installed" == problem.reason
    assert "pip install 'valkeybench[valkey-glide]'" in problem.remedy
    assert [] == client_problems(plan_of(client=(Client.VALKEY_GLIDE,), driver=(Driver.WIRE,)))


def test_without_a_pool_every_handler_needs_room() -> None:
    """Each may have its connection open at the same moment."""
    plan = plan_of(pool=(Pool.NONE,), concurrency=(15,), max_connections=(1,))
    (problem,) = problems(plan, ServerFacts(maxclients=16))
    assert "17 are needed and the server has room for 16" in problem.reason
    assert problem.remedy


def test_a_server_that_does_not_tell_is_not_guessed_at() -> None:
    """Unknown is no obstacle: the load will show."""
    assert () == problems(plan_of(max_connections=(100,)), ServerFacts())


@pytest.mark.usefixtures("limit")
def test_each_process_must_be_allowed_its_files() -> None:
    """Per process, and measured by what the system would allow if asked."""
    most = 1000 - OTHER_FILES
    facts = ServerFacts()
    assert () == problems(plan_of(max_connections=(most,), processes=(3,)), facts)
    (problem,) = problems(plan_of(max_connections=(most + 1,)), facts)
    assert "needs 1001 open files and may have 1000" in problem.reason
    both = problems(plan_of(max_connections=(most + 1,)), ServerFacts(maxclients=1))
    assert 2 == len(both)


def test_a_process_takes_all_the_files_it_may_have(
    limit: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as allowed; where the system sets no limit, one that it accepts."""
    raise_open_files_limit()
    assert [(1000, 1000)] == limit
    assert 1000 == open_files_limit()

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    raise_open_files_limit()
    assert (10_240, resource.RLIM_INFINITY) == limit[-1]
    assert open_files_limit() is None


# --- placement ---


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> dict[int, frozenset[int]]:
    """Let a machine have CPUs 0, 2 and 3; note which process is put where."""
    where: dict[int, frozenset[int]] = {}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 0, 2}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", where.__setitem__, raising=False)
    return where


@pytest.mark.parametrize(
    ("pin", "load", "server"),
    [
        ("none", None, {}),
        ("auto", {0, 2}, {7: {3}}),
        ("client=2", {2}, {}),
        ("server=0", None, {7: {0}}),
        ("client=2,server=0", {2}, {7: {0}}),
    ],
)
def test_load_and_server_go_where_they_are_put(
    placed: dict[int, frozenset[int]],
    pin: str,
    load: set[int] | None,
    server: dict[int, set[int]],
) -> None:
    """What is not put anywhere may run everywhere."""
    assert load == place(pin, Endpoint(host="127.0.0.1", port=1, pid=7))
    assert server == placed


def test_a_server_that_is_not_ours_stays_where_it_is(placed: dict[int, frozenset[int]]) -> None:
    """Only the load is placed."""
    assert frozenset({0, 2}) == place("auto", SOMEWHERE)
    assert {} == placed


@pytest.mark.usefixtures("placed")
def test_a_cpu_that_is_not_there_is_refused() -> None:
    """With those that are."""
    with pytest.raises(ScenarioError, match="there is no CPU 1 to use; use 0, 2, 3"):
        place("client=1,server=0", SOMEWHERE)


def test_one_cpu_is_not_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither side could be kept apart from the other."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    with pytest.raises(ScenarioError, match="only one CPU"):
        place("auto", SOMEWHERE)


def test_a_system_that_cannot_place_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than measure something else than was asked for."""
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pytest.raises(ScenarioError, match="this system cannot place processes"):
        place("auto", SOMEWHERE)
