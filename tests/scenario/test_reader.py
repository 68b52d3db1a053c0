"""A scenario is made of a file, flags and the environment, and expands to cases."""

from __future__ import annotations

import pytest

from tests.scenario.reading import read
from valkeybench.scenario.model import (
    Axes,
    CertReqs,
    Clients,
    Distribution,
    Handshake,
    Pool,
    Scenario,
    Think,
    TlsSettings,
)
from valkeybench.scenario.secret import Secret
from valkeybench.units import MILLISECOND, SECOND


def test_nothing_asked_is_the_default() -> None:
    """An empty file and no flags are a whole scenario."""
    assert Scenario() == read()


def test_everything_asked_is_there() -> None:
    """Every kind of value lands where it belongs."""
    scenario = read(
        """
        title = "T"
        description = "D"
        seed = 7
        [load]
        concurrency = [1, 2]
        think = ["0", "constant 5ms", "10 ms"]
        commands = ["PING", "GET k:{0..9} @3"]
        value_size = [64, "1KiB"]
        duration = "1.5s"
        warmup = 0
        repeats = 2
        prewarm = false
        tally_replies = true
        pin = "client=0,server=1"
        [client]
        pool = "fair"
        pool_timeout = "none"
        clients = "successive"
        handshake = ["shipped", "minimal"]
        decode_responses = true
        retries = 0
        [server]
        url = "valkeys://h"
        db = 3
        username = "u"
        client_name = "me"
        insecure = true
        ssl_min_version = "1.3"
        """
    )

    assert ("T", "D", 7) == (scenario.title, scenario.description, scenario.seed)
    assert (1500 * MILLISECOND, 0) == (scenario.duration_ns, scenario.warmup_ns)
    assert (2, False, True) == (scenario.repeats, scenario.prewarm, scenario.tally_replies)
    assert ("PING", "GET k:{0..9} @3") == scenario.commands
    assert "client=0,server=1" == scenario.pin
    assert scenario.axes == Axes(
        pool=(Pool.FAIR,),
        pool_timeout_ns=(None,),
        concurrency=(1, 2),
        clients=(Clients.SUCCESSIVE,),
        think=(
            Think(0),
            Think(5 * MILLISECOND, Distribution.CONSTANT),
            Think(10 * MILLISECOND),
        ),
        value_size=(64, 1024),
        handshake=(Handshake.SHIPPED, Handshake.MINIMAL),
        decode_responses=(True,),
        tls=(True,),
    )
    server = scenario.server
    assert ("valkeys://h", 3, "u", "me") == (
        server.url,
        server.db,
        server.username,
        server.client_name,
    )
    assert TlsSettings(cert_reqs=CertReqs.NONE, min_version="1.3") == server.tls


# --- where values come from ---


def test_flags_override_the_file() -> None:
    """What is typed counts more than what is written down; the rest of the file stays."""
    toml = (
        "seed = 3\n[client]\npool = ['none', 'fair']\n[load]\nconcurrency = 7\ncommands = ['PING']"
    )
    scenario = read(toml, flags={"pool": "raising", "command": ["TIME"], "prewarm": "false"})

    assert (Pool.RAISING,) == scenario.axes.pool
    assert ("TIME",) == scenario.commands
    assert (3, (7,), False) == (scenario.seed, scenario.axes.concurrency, scenario.prewarm)


def test_a_flag_takes_a_list_where_there_is_an_axis() -> None:
    """Commas separate the values of an axis, and are left alone in a command."""
    scenario = read(flags={"max_conn": "5, 10,25", "command": ["SET k:{0..9} a,b", "PING"]})
    assert (5, 10, 25) == scenario.axes.max_connections
    assert ("SET k:{0..9} a,b", "PING") == scenario.commands


def test_the_environment_is_below_file_and_flags() -> None:
    """The environment says where the server is only if nothing nearer does."""
    environment = {"VALKEYBENCH_URL": "valkey://env", "VALKEYBENCH_PASSWORD": "envword"}
    by_file = read(
        "[server]\nurl = 'valkey://file'\npassword = 'fileword'", environment=environment
    )
    by_host = read("[server]\nhost = 'host'", environment=environment)
    by_flag = read(
        "[server]\nurl = 'valkey://file'", environment=environment, flags={"url": "valkey://flag"}
    )

    assert "valkey://env" == read(environment=environment).server.url
    assert Secret("envword") == read(environment=environment).server.password
    assert "valkey://file" == by_file.server.url
    assert Secret("fileword") == by_file.server.password
    assert "valkey://host" == by_host.server.url
    assert "valkey://flag" == by_flag.server.url
    assert None is read(environment={"VALKEYBENCH_URL": "", "HOME": "x"}).server.url


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("host = 'cache.example'", "valkey://cache.example"),
        ("host = 'cache'\nport = 7000", "valkey://cache:7000"),
        ("host = '192.0.2.1'\nport = 7000", "valkey://192.0.2.1:7000"),
        ("host = '::1'", "valkey://[::1]"),
        ("host = '::1'\nport = 7000", "valkey://[::1]:7000"),
        ("host = '[::1]'\nport = 7000", "valkey://[::1]:7000"),
        ("host = 'fe80::1%eth0'", "valkey://[fe80::1%25eth0]"),
    ],
)
def test_host_and_port_make_a_url(server: str, url: str) -> None:
    """A file can say host and port instead of a URL; IPv6 addresses get their brackets."""
    assert url == read(f"[server]\n{server}").server.url


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("", (False,)),
        ("tls = 'on'", (True,)),
        ("tls = true", (True,)),
        ("tls = ['on', 'OFF']", (True, False)),
        ("tls = 'both'", (False, True)),
        ("tls = ['on', 'both']", (True, False)),
        ("url = 'valkey://h'", (False,)),
        ("url = 'valkeys://h'", (True,)),
        ("url = 'REDISS://h'", (True,)),
        ("url = 'valkeys://h'\ntls = 'both'", (False, True)),
    ],
)
def test_tls_is_an_axis_and_a_url_can_ask_for_it(toml: str, expected: tuple[bool, ...]) -> None:
    """On, off, or both; what is said outright counts more than the URL's scheme."""
    assert expected == read(f"[server]\n{toml}").axes.tls


# --- axes ---


def test_a_list_makes_an_axis() -> None:
    """Every combination is a case, in the order written."""
    scenario = read(
        "[client]\npool = 'blocking'\nmax_connections = [5, 10]\n[load]\nconcurrency = [1, 2]"
    )
    assert [(5, 1), (5, 2), (10, 1), (10, 2)] == [
        (case.max_connections, case.concurrency) for case in scenario.cases()
    ]
    assert ("max_connections", "concurrency") == scenario.axes.varied()


def test_a_value_said_twice_counts_once() -> None:
    """Duplicates collapse, also when they are written differently."""
    scenario = read(
        "[client]\npool = ['none', 'none']\n"
        "[load]\nvalue_size = [1024, '1KiB', '1024']\nthink = ['0', 'constant 0s', 0]"
    )
    assert ((Pool.NONE,), (1024,), (Think(0),)) == (
        scenario.axes.pool,
        scenario.axes.value_size,
        scenario.axes.think,
    )
    assert 1 == len(scenario.cases())


def test_values_that_mean_nothing_make_no_cases() -> None:
    """Without a pool there is no pool size, timeout or sharing; raising pools do not wait."""
    scenario = read(
        "[client]\npool = ['none', 'raising', 'blocking']\n"
        "max_connections = [5, 10]\npool_timeout = ['1s', '2s']\nclients = ['shared', 'successive']"
    )
    cases = scenario.cases()

    assert [1, 4, 8] == [
        sum(case.pool is pool for case in cases)
        for pool in (Pool.NONE, Pool.RAISING, Pool.BLOCKING)
    ]
    (unpooled,) = [case for case in cases if case.pool is Pool.NONE]
    assert (None, None, None) == (
        unpooled.max_connections,
        unpooled.pool_timeout_ns,
        unpooled.clients,
    )
    assert {None} == {case.pool_timeout_ns for case in cases if case.pool is Pool.RAISING}
    assert {SECOND, 2 * SECOND} == {
        case.pool_timeout_ns for case in cases if case.pool is Pool.BLOCKING
    }


def test_lists_that_mean_nothing_do_not_count() -> None:
    """Without a pool its size and timeout make no cases, however many there are."""
    timeouts = [f"{n}ms" for n in range(1, 5000)]
    scenario = read(
        "[client]\npool = 'none'\n"
        f"max_connections = {list(range(1, 5000))}\npool_timeout = {timeouts}\n"
        f"[load]\nconcurrency = {list(range(1, 401))}"
    )
    assert 400 == len(scenario.cases())
