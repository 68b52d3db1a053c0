"""An emulated distance costs what it says: round trips × rtt, over real servers."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

import pytest

from tests.load.loads import drive_apart, drive_here, few_handlers, make_trial
from valkeybench.load.punctual import lateness_of_pauses_ns
from valkeybench.measurement.metrics import Phase
from valkeybench.scenario.model import Distribution, Driver, Pool, Think, TlsVersion
from valkeybench.server.binary import find_tls_binary
from valkeybench.server.embedded import embedded_server, embedded_serving
from valkeybench.server.serving import TlsOffer
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.measurement.measurement import Measurement
    from valkeybench.server.endpoint import Endpoint

CLOSE_ENOUGH = 0.05
ROUNDS = 20
"""At most; a machine that does nothing else needs one or two."""
RTT_NS = 10 * MILLISECOND
"""Long enough that what a busy machine does to a command is small beside it."""
TLS_ROUND_TRIPS = {None: 0, TlsVersion.V1_2: 2, TlsVersion.V1_3: 1}


@pytest.fixture(params=[None, *(pytest.param(v, marks=pytest.mark.tls) for v in TlsVersion)])
def version(request: pytest.FixtureRequest) -> TlsVersion | None:
    """Try without TLS, and with each version of it."""
    wanted: TlsVersion | None = request.param
    if wanted is not None and find_tls_binary() is None:
        pytest.skip("no server with TLS: set VALKEYBENCH_SERVER or install valkey-server")
    return wanted


@pytest.fixture
def endpoint(version: TlsVersion | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """Give the way to a server that speaks this version of TLS and no other, or none."""
    offer = TlsOffer(min_version=version, max_version=version) if version else None
    with embedded_serving(tls=offer) as serving:
        endpoint = serving.endpoint(tls=version is not None)
        if version is not None:
            # Reading the system's CA certificates takes longer than the distance.
            monkeypatch.setenv("SSL_CERT_FILE", endpoint.trust.ca_certs or "")
        yield endpoint


def service(endpoint: Endpoint, pool: Pool, rtt_ns: int) -> Measurement:
    """Put the load of one handler on a server from so far away, in a process of its own."""
    case = few_handlers(pool=pool, concurrency=1, max_connections=1, rtt_ns=rtt_ns)
    return drive_apart(make_trial(case, lasts_ns=700 * MILLISECOND), endpoint)


def round_trips(seen: Measurement, version: TlsVersion | None, pool: Pool) -> int:
    """Count what one command waits for: a new connection's steps, and its own."""
    if pool is not Pool.NONE:
        return 1
    opened = seen.opened
    assert TLS_ROUND_TRIPS[version] * opened.connections == opened.tls_round_trips
    # One that was being opened when the window closed has not said everything.
    set_up = round(opened.round_trips / opened.connections)
    return 1 + TLS_ROUND_TRIPS[version] + set_up + 1


@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.NONE])
def test_every_round_trip_is_travelled_once(
    endpoint: Endpoint, version: TlsVersion | None, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for is round trips × rtt, less what the system adds to each pause itself."""
    rtt_ns, late_ns, pauses = MILLISECOND, 40_000, list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        sleep(seconds)

    monkeypatch.setattr("valkeybench.load.ledger.sleep", pause)
    monkeypatch.setattr("valkeybench.load.ledger.lateness_of_pauses_ns", lambda: late_ns)
    case = few_handlers(pool=pool, concurrency=1, max_connections=1, rtt_ns=rtt_ns)
    seen = drive_here(make_trial(case, lasts_ns=200 * MILLISECOND, prewarm=False), endpoint)

    opened = seen.opened
    commands = seen.completed + seen.unfinished
    trips = opened.connections + opened.tls_round_trips + opened.round_trips + commands
    waited_ns = sum(pauses) * SECOND + len(pauses) * late_ns
    # The one under way when the window closed may not have travelled all its way.
    most = round_trips(seen, version, Pool.NONE)
    assert (trips - most) * rtt_ns <= waited_ns + 1
    assert waited_ns - 1 <= (trips + most) * rtt_ns
    assert most < trips


@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.NONE])
def test_distance_costs_its_round_trips_and_nothing_else(
    endpoint: Endpoint, version: TlsVersion | None, pool: Pool
) -> None:
    """Far less near is round trips × rtt, by the least of each phase in trials that take turns."""
    nearest, farthest, ratios = [], [], []
    for _ in range(ROUNDS):
        near, far = (service(endpoint, pool, distance) for distance in (0, RTT_NS))
        nearest.append(travelled_ns(near))
        farthest.append(travelled_ns(far))
        expected = round_trips(far, version, pool) * RTT_NS
        # A round trip too many, or too few, would be in all of them.
        ratios.append((min(farthest) - min(nearest)) / expected)
        if pytest.approx(1, abs=CLOSE_ENOUGH) == ratios[-1]:
            return
    pytest.fail(f"in units of what it should be, distance cost {ratios}")


SHORT_RTTS_NS = (MILLISECOND, 2 * MILLISECOND)
RESTED = Think(MILLISECOND, Distribution.CONSTANT)
"""After a rest a machine takes longer for everything, so near and far must both have had one."""
TRAVELLED = (Phase.CONNECT, Phase.TLS, Phase.HANDSHAKE, Phase.COMMAND)
"""Where a distance is waited for. Elsewhere nothing is, but building connections
takes a few hundred microseconds, and longer the more seldom it is done."""


@pytest.mark.parametrize("driver", Driver)
@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.NONE])
def test_a_short_distance_costs_its_round_trips_too(driver: Driver, pool: Pool) -> None:
    """At 1 and 2 ms, by the least of each phase in trials that take turns, for every driver.

    What else goes on can only make a wait longer, so the least is what it takes without.
    """
    least: dict[int, int] = {}
    seen: dict[int, Measurement] = {}
    far: dict[int, float] = {}
    with embedded_server() as endpoint:
        for _ in range(ROUNDS):
            for rtt_ns in (0, *SHORT_RTTS_NS):
                case = few_handlers(
                    driver=driver, pool=pool, concurrency=1, max_connections=1, rtt_ns=rtt_ns,
                    think=RESTED,
                )  # fmt: skip
                # Without a pool a command takes several round trips, and fewer are seen.
                lasts_ms = 600 if pool is Pool.NONE else 250
                trial = make_trial(case, lasts_ns=lasts_ms * MILLISECOND)
                seen[rtt_ns] = drive_apart(trial, endpoint)
                took = travelled_ns(seen[rtt_ns])
                least[rtt_ns] = min(least.get(rtt_ns, took), took)
            far = {
                rtt_ns: (least[rtt_ns] - least[0])
                / (round_trips(seen[rtt_ns], None, pool) * rtt_ns)
                for rtt_ns in SHORT_RTTS_NS
            }
            if all(pytest.approx(1, abs=CLOSE_ENOUGH) == ratio for ratio in far.values()):
                return
    pytest.fail(f"in units of what it should be, distance cost {far}")


def travelled_ns(seen: Measurement) -> int:
    """Add up the least of each phase that a distance is in."""
    return sum(
        seen.histograms[phase].minimum or 0 for phase in TRAVELLED if phase in seen.histograms
    )


def test_how_late_pauses_are_is_no_more_than_they_were() -> None:
    """It is a fraction of the pause, and never negative."""
    assert 0 <= lateness_of_pauses_ns() < SECOND
