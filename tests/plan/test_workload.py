"""Requests are drawn by weight, can be repeated by seed, and stay within the prefix."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from math import sqrt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.plan.dataset import keys_touched
from valkeybench.plan.workload import (
    TABLE_SIZE,
    Batch,
    command_table,
    has_batches,
    walk,
    zipf_weights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.scenario.values import Values

PREFIX = "valkeybench:1234:"

SINGLE = (
    "GET a:{0..9}",
    "SET b:{{t}}:{zipf:0..99} {value} @3",
    "MGET c:{0..3} d e:{0..1}:{seq:0..1}",
    "DEL f @0.5",
    "PING",
    "CLIENT ID",
    "INCRBY g:{5..5} {1..100}",
)
BATCHES = ("PIPELINE 3 GET h:{0..9} ; SET b:{seq:0..9} {value}", "MULTI INCR n ; GET n @2")

workloads = st.lists(st.sampled_from(SINGLE + BATCHES), min_size=1, max_size=4).map(tuple)


def test_a_table_is_walked_round_and_round_from_anywhere() -> None:
    """In order, from the place on; what is not asked for is not looked at."""
    assert list("cdabcdabc") == list(islice(walk("abcd", 2), 9))
    assert list("abcda") == list(islice(walk("abcd", 0), 5))
    assert list("abcd") == list(islice(walk("abcd", 4), 4))


def requests(
    *texts: str, seed: str = "1", value_size: int | Values = 8
) -> list[tuple[str, ...] | Batch]:
    """Draw a load process's requests."""
    return command_table(texts, seed=seed, prefix=PREFIX, value_size=value_size)


def table(*texts: str, seed: str = "1") -> list[tuple[str, ...]]:
    """Draw a load process's commands, those of batches among them."""
    return [
        command
        for request in requests(*texts, seed=seed)
        for command in (request.commands if isinstance(request, Batch) else (request,))
    ]


def chi_square(drawn: Mapping[str, int], expected: Mapping[str, float]) -> float:
    """Add up the squared deviations of counts from what a law expects of them."""
    assert set(drawn) <= set(expected)
    return sum((drawn.get(key, 0) - mean) ** 2 / mean for key, mean in expected.items())


def test_weights_are_respected() -> None:
    """Each command is drawn as often as its weight says, within the scatter of a fair draw."""
    weights = {"GET": 0.5, "SET": 1.5, "PING": 1.0, "TIME": 7.0}
    drawn = Counter(
        words[0] for words in table("GET k @0.5", "SET k {value} @1.5", "PING", "TIME @7")
    )

    assert TABLE_SIZE == drawn.total()
    for name, weight in weights.items():
        share = weight / 10
        # Five standard deviations of a binomial count.
        slack = 5 * sqrt(TABLE_SIZE * share * (1 - share))
        assert abs(drawn[name] - TABLE_SIZE * share) < slack


def test_keys_are_drawn_evenly() -> None:
    """No key of a range is drawn more than chance allows."""
    drawn = Counter(words[1] for words in table("GET {0..15}"))
    even = {f"{PREFIX}{k}": TABLE_SIZE / 16 for k in range(16)}

    # Chi-square with 15 degrees of freedom: not one in a million fair draws exceeds 58.
    assert chi_square(drawn, even) < 58


@pytest.mark.parametrize("exponent", [0.5, 0.99, 1.0, 2.0])
def test_zipf_follows_its_law(exponent: float) -> None:
    """The k-th number of the range comes with probability k^-s / (1^-s + ... + n^-s)."""
    drawn = Counter(words[1] for words in table(f"GET {{zipf({exponent}):100..115}}"))
    whole = sum(k**-exponent for k in range(1, 17))
    law = {f"{PREFIX}{99 + k}": TABLE_SIZE * k**-exponent / whole for k in range(1, 17)}

    assert chi_square(drawn, law) < 58
    # And it is no other law: an even draw, or another exponent, is far off.
    assert chi_square(drawn, dict.fromkeys(law, TABLE_SIZE / 16)) > 200


def test_zipf_weights_are_the_formula() -> None:
    """They add up 1 / k ** s, exactly."""
    assert [1.0, 1.5, 1.5 + 1 / 3] == zipf_weights(3, 1.0)
    assert pytest.approx(14.392726722864989, abs=1e-9) == zipf_weights(10**6, 1.0)[-1]


@pytest.mark.parametrize("count", [1, 7, 1000, 10_000])
def test_a_sequence_goes_round_in_order(count: int) -> None:
    """Every number follows the one before, the first follows the last, each as often, seam too."""
    drawn = [int(words[1].removeprefix(PREFIX)) for words in table(f"GET {{seq:5..{4 + count}}}")]

    assert TABLE_SIZE <= len(drawn)
    assert 0 == len(drawn) % count
    assert all(
        (after - before) % count == (1 if count > 1 else 0)
        for before, after in zip(drawn, [*drawn[1:], drawn[0]], strict=True)
    )
    assert {5, 4 + count} == {min(drawn), max(drawn)}


def test_a_sequence_counts_for_itself_wherever_it_is_written() -> None:
    """A batch that repeats a command goes on with its sequence; another command has its own."""
    batch = requests("PIPELINE 3 GET {seq:0..99} ; SET {seq:0..99} v")[0]
    assert isinstance(batch, Batch)
    first, second, third, other = (int(c[1].removeprefix(PREFIX)) for c in batch.commands)
    assert [1, 1] == [(second - first) % 100, (third - second) % 100]
    following = requests("PIPELINE 3 GET {seq:0..99} ; SET {seq:0..99} v")[1]
    assert isinstance(following, Batch)
    assert (third + 1) % 100 == int(following.commands[0][1].removeprefix(PREFIX))
    assert (other + 1) % 100 == int(following.commands[3][1].removeprefix(PREFIX))


def test_a_rare_sequence_is_gone_through_all_the_same() -> None:
    """The table is as long as it takes on average, other commands between counted."""
    drawn = table("GET {seq:0..4999} @1", "PING @3")
    sent = [words for words in drawn if words[0] == "GET"]
    assert 20_000 == len(drawn)
    assert abs(len(sent) - 5000) < 5 * sqrt(20_000 * 0.25 * 0.75)


def test_batches_hold_what_is_written() -> None:
    """In order, repeated as said; a transaction says so; a number drawn anew for each command."""
    for request in requests("PIPELINE 2 GET a:{0..99999} ; SET b {value}"):
        assert isinstance(request, Batch)
        assert ["GET", "GET", "SET"] == [command[0] for command in request.commands]
        assert not request.transaction
        assert ("SET", f"{PREFIX}b", "x" * 8) == request.commands[2]
    (multi,) = set(requests("MULTI INCR n ; GET n"))
    assert Batch((("INCR", f"{PREFIX}n"), ("GET", f"{PREFIX}n")), transaction=True) == multi
    keys = [request.commands for request in requests("PIPELINE 2 GET a:{0..99999}")]  # type: ignore[union-attr]
    assert sum(first == second for first, second in keys) < 5


def test_large_batches_make_a_shorter_table() -> None:
    """A table holds about as many commands whatever the batches, and requests for all handlers."""
    assert TABLE_SIZE == len(requests("GET a"))
    assert TABLE_SIZE // 8 == len(requests("PIPELINE 8 GET a"))
    assert 256 == len(requests("PIPELINE 1000 GET a"))


def test_batches_are_announced() -> None:
    """A driver can tell beforehand whether it will meet one."""
    assert not has_batches(SINGLE)
    assert has_batches((*SINGLE, BATCHES[0]))
    assert has_batches((BATCHES[1],))


@given(workloads, st.text(max_size=5))
@settings(deadline=None, max_examples=25)
def test_what_is_drawn_was_named_before(texts: tuple[str, ...], seed: str) -> None:
    """Every key a command holds is among those removed afterwards, all of them our own."""
    touched = set(keys_touched(texts, prefix=PREFIX))
    words = {word for command in table(*texts, seed=seed) for word in command[1:]}
    keys = {word for word in words if word.startswith(PREFIX)}

    assert keys <= touched
    assert all(key.startswith(PREFIX) for key in touched)
    # What is no key has no prefix: numbers, values, subcommands.
    assert words - keys <= {"ID", "x" * 8, *map(str, range(1, 101))}


@given(workloads)
@settings(deadline=None, max_examples=25)
def test_a_table_can_be_repeated(texts: tuple[str, ...]) -> None:
    """The same seed draws the same requests."""
    assert requests(*texts, seed="1/0/0/0") == requests(*texts, seed="1/0/0/0")


@pytest.mark.parametrize("text", ["GET {0..99}", "GET {zipf:0..99}", "GET {seq:0..9999}"])
def test_load_processes_draw_differently(text: str) -> None:
    """Another seed draws other commands; sequences begin elsewhere."""
    drawn = {tuple(table(text, seed=str(seed))) for seed in range(5)}
    assert 5 == len(drawn)


def test_values_have_the_size_asked_for() -> None:
    """A value is as many bytes as the scenario says; none at all is a size too."""
    for size in (0, 1, 1024):
        assert {("SET", f"{PREFIX}k", "x" * size)} == set(
            requests("SET k {value}", value_size=size)
        )
