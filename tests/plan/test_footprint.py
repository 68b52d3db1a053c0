"""What a run would put on a server is counted before it does."""

from __future__ import annotations

from dataclasses import replace

from valkeybench.plan.footprint import Footprint, footprint
from valkeybench.scenario.model import Axes, Keys, Scenario

PREFIX = "p:"
READS = Scenario(commands=("GET key:{0..9}",), axes=Axes(value_size=(100,)))


def test_keys_read_are_counted_with_what_they_hold() -> None:
    """Ten keys `p:key:0` and their values of a hundred bytes."""
    assert Footprint(loaded=10, loaded_bytes=10 * (len("p:key:0") + 100), most=10) == footprint(
        READS, PREFIX
    )


def test_keys_that_are_written_count_too() -> None:
    """They are not there before the load, and may be after it."""
    both = replace(READS, commands=("GET key:{0..9}", "SET other:{0..4} {value}"))
    counted = footprint(both, PREFIX)
    assert (10, 15) == (counted.loaded, counted.most)


def test_without_a_data_set_nothing_is_there_before() -> None:
    """Only what commands name may be left."""
    counted = footprint(replace(READS, data_set=False), PREFIX)
    assert (0, 0, 10) == (counted.loaded, counted.loaded_bytes, counted.most)


def test_every_beginning_of_keys_is_counted() -> None:
    """Each size of values and each way to spread keys has keys of its own."""
    axes = Axes(value_size=(10, 20), keys=(Keys.SPREAD, Keys.ONE_SLOT))
    assert 40 == footprint(replace(READS, axes=axes), PREFIX).loaded
