"""Commands are drawn by weight, can be repeated by seed, and stay within the prefix."""

from __future__ import annotations

from collections import Counter
from math import sqrt

from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.plan.workload import TABLE_SIZE, command_table, keys_to_load, keys_touched

PREFIX = "valkeybench:1234:"

workloads = st.lists(
    st.sampled_from(
        [
            "GET a:{0..9}",
            "SET b:{0..99} {value} @3",
            "MGET c:{0..3} d e:{0..1}:{0..1}",
            "DEL f @0.5",
            "PING",
            "CLIENT ID",
            "INCRBY g:{5..5} {1..100}",
        ]
    ),
    min_size=1,
    max_size=4,
).map(tuple)


def table(*texts: str, seed: str = "1", value_size: int = 8) -> list[tuple[str, ...]]:
    """Draw a load process's commands."""
    return command_table(texts, seed=seed, prefix=PREFIX, value_size=value_size)


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
    drawn = Counter(words[1] for words in table("GET k:{0..15}"))
    even = TABLE_SIZE / 16

    assert 16 == len(drawn)
    # Chi-square with 15 degrees of freedom: not one in a million fair draws exceeds 58.
    assert sum((count - even) ** 2 / even for count in drawn.values()) < 58


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
    """The same seed draws the same commands."""
    assert table(*texts, seed="1/0/0/0") == table(*texts, seed="1/0/0/0")


def test_load_processes_draw_differently() -> None:
    """Another seed draws other commands."""
    drawn = {tuple(table("GET k:{0..99}", seed=str(seed))) for seed in range(5)}
    assert 5 == len(drawn)


def test_values_have_the_size_asked_for() -> None:
    """A value is as many bytes as the scenario says; none at all is a size too."""
    for size in (0, 1, 1024):
        assert {("SET", f"{PREFIX}k", "x" * size)} == set(table("SET k {value}", value_size=size))


def test_only_what_is_read_is_loaded() -> None:
    """Reads find their keys, writes make their own; everything that was touched is removed."""
    texts = ("GET a:{0..1}", "SET b {value}", "MGET c d", "PING")

    assert [f"{PREFIX}{key}" for key in ("a:0", "a:1", "c", "d")] == list(
        keys_to_load(texts, prefix=PREFIX)
    )
    assert [f"{PREFIX}{key}" for key in ("a:0", "a:1", "b", "c", "d")] == list(
        keys_touched(texts, prefix=PREFIX)
    )
