"""What means nothing to the driver `wire` makes no cases, and what it cannot do is refused."""

from __future__ import annotations

from tests.scenario.reading import problems, read
from valkeybench.scenario.model import Axes, Case, Clients, Driver, Pool


def test_its_pool_waits_in_one_way_only() -> None:
    """What waits at all waits first come, first served, and says so."""
    drawn = Axes(pool=tuple(Pool), driver=(Driver.WIRE,)).cases()
    assert [Pool.NONE, Pool.RAISING, Pool.FAIR] == [case.pool for case in drawn]


def test_what_only_a_client_library_has_does_not_multiply_it() -> None:
    """Client objects, decoding and retries; those of another driver remain."""
    axes = Axes(
        pool=(Pool.FAIR,),
        driver=(Driver.THREADS, Driver.WIRE),
        clients=tuple(Clients),
        decode_responses=(False, True),
        retries=(0, 3),
    )
    drivers = [case.driver for case in axes.cases()]
    assert (8, 1) == (drivers.count(Driver.THREADS), drivers.count(Driver.WIRE))
    [bare] = [case for case in axes.cases() if case.driver is Driver.WIRE]
    assert (None, False, 0) == (bare.clients, bare.decode_responses, bare.retries)


def test_a_bare_case_is_what_it_means() -> None:
    """Meaning it again changes nothing."""
    case = Case(driver=Driver.WIRE, pool=Pool.BLOCKING).meaningful()
    assert case == case.meaningful()


def test_retries_nobody_would_make_are_refused() -> None:
    """Beside another driver they are that one's."""
    flags = {"driver": "wire", "retries": "2"}
    assert any("tries nothing again" in problem for problem in problems(flags=flags))
    assert (2,) == read(flags={**flags, "driver": "threads,wire"}).axes.retries
