"""A lever that means nothing beside the others is refused, not passed over in silence."""

from __future__ import annotations

import pytest

from tests.scenario.reading import problems, read


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"rate": "100/s", "think": "5ms"}, "--think: an open load has no think time"),
        ({"arrivals": "steady"}, "--arrivals: says how requests arrive"),
        ({"driver": "wire", "client": "valkey-py"}, "--client: the driver wire speaks"),
        ({"driver": "wire", "client": "redis-py,valkey-py"}, "--client: the driver wire speaks"),
        ({"event_loop": "asyncio"}, "--event-loop: only the driver asyncio"),
    ],
)
def test_a_flag_that_no_case_has_a_use_for(flags: dict[str, str], said: str) -> None:
    """It is named, with the reason."""
    [found] = problems(flags=flags)
    assert found.startswith(said)


@pytest.mark.parametrize("flag", ["tls_min_version", "tls_version"])
def test_settings_of_tls_where_nothing_uses_it(flag: str) -> None:
    """Who gives them thinks the connection is secret."""
    [found] = problems(flags={flag: "1.2"})
    assert "is for TLS, and nothing uses it" in found
    assert list(read(flags={flag: "1.2", "tls": "both"}).cases())


@pytest.mark.parametrize(
    "flags",
    [
        {"rate": "100/s", "arrivals": "steady"},
        {"driver": "threads,wire", "client": "valkey-py"},
        {"driver": "threads,asyncio", "event_loop": "asyncio"},
        {"think": "5ms"},
    ],
)
def test_one_that_some_case_has_a_use_for(flags: dict[str, str]) -> None:
    """That is enough."""
    assert list(read(flags=flags).cases())


THINKING = "[load]\nthink = '20ms'\n"


def test_a_file_that_contradicts_itself() -> None:
    """Both are in the file: one of them was not meant."""
    [found] = problems(f"{THINKING}rate = '100/s'\n")
    assert found.startswith("s.toml: load.think: an open load has no think time")


def test_a_flag_may_make_an_open_load_of_a_file() -> None:
    """That is what the flag is for; what the file says for a closed one does no harm."""
    [case] = read(THINKING, flags={"rate": "100/s", "pool": "blocking"}).cases()
    assert (100.0, None) == (case.rate, case.think)
