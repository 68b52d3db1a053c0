"""What reads expect is there before the load: of the right type, with the items they name."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.plan.dataset import expected, keys_touched, writes
from valkeybench.scenario.commands import READS, Holds

PREFIX = "p:"


def written(*texts: str, value_size: int = 3) -> dict[str, list[tuple[str, ...]]]:
    """Give what is written, by key."""
    return dict(writes(texts, seed="1", prefix=PREFIX, value_size=value_size))


def test_only_what_is_read_is_loaded() -> None:
    """Reads find their keys, writes make their own; everything that was touched is removed."""
    texts = ("GET a:{0..1}", "SET b {value}", "MULTI MGET c d ; INCR e", "PING")

    assert [f"{PREFIX}{key}" for key in ("a:0", "a:1", "c", "d")] == list(written(*texts))
    assert [f"{PREFIX}{key}" for key in ("a:0", "a:1", "b", "c", "d", "e")] == list(
        keys_touched(texts, prefix=PREFIX)
    )


def test_each_type_is_written_its_way() -> None:
    """Values have the size asked for; what no command names has ten items of our own."""
    ten = [f"item:{number}" for number in range(10)]
    assert [("SET", "p:k", "xxx")] == written("GET k")["p:k"]
    pairs = [word for name in ten for word in (name, "xxx")]
    assert [("HSET", "p:k", *pairs)] == written("HGETALL k")["p:k"]
    assert [("RPUSH", "p:k", *["xxx"] * 10), ("LTRIM", "p:k", "0", "9")] == written("LLEN k")["p:k"]
    assert [("SADD", "p:k", *ten)] == written("SMEMBERS k")["p:k"]
    padded = [name + "x" * 10 for name in ten]
    assert [("SADD", "p:k", *padded)] == written("SMEMBERS k", value_size=16)["p:k"]
    scored = [word for score, name in enumerate(ten) for word in (str(score), name)]
    assert [("ZADD", "p:k", *scored)] == written("ZCARD k")["p:k"]
    entry = ("XADD", "p:k", "MAXLEN", "10", "*", "field", "xxx")
    assert [entry] * 10 == written("XLEN k")["p:k"]


def test_items_that_are_read_by_name_are_there() -> None:
    """All of them, from all commands that read the key, each once, whatever their order."""
    texts = ("HGET k:{0..1} f:{zipf:0..1}", "HMGET k:{seq:0..1} f:{0..1} g", "HLEN k:{0..1}")
    fields = [word for name in ("f:0", "f:1", "g") for word in (name, "xxx")]
    assert {f"p:k:{n}": [("HSET", f"p:k:{n}", *fields)] for n in range(2)} == written(*texts)


def test_what_is_counted_with_is_a_number() -> None:
    """A text would make every INCR fail, and with it the transaction it is in."""
    assert {"p:n": [("SET", "p:n", "0")]} == written("MULTI INCR n ; GET n")
    assert {"p:n": [("SET", "p:n", "xxx")]} == written("GET n", "INCR m")


def test_a_command_for_any_type_takes_that_of_the_others() -> None:
    """EXISTS is content with what another command makes of the key; alone, with a string."""
    assert {"p:k": [("SET", "p:k", "xxx")]} == written("EXISTS k")
    assert "SADD" == written("EXISTS k", "SADD k m")["p:k"][0][0]


@given(st.lists(st.sampled_from(sorted(READS)), min_size=1, unique=True))
@settings(deadline=None, max_examples=50)
def test_each_kind_of_key_is_loaded_once(names: list[str]) -> None:
    """However many commands read it, whatever they read of it."""
    texts = tuple(f"{name} key:{{0..3}}" for name in names)
    assert 1 == len(expected(texts))
    assert 4 == len(written(*texts))


def test_every_type_can_be_expected() -> None:
    """There is a command that reads each, so that each is tested on a server too."""
    assert set(Holds) == {holds for holds in READS.values() if holds}
