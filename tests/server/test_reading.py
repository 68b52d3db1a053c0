"""What INFO says is read under all its names, and what it does not say stays unknown."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.measurement.reading import (
    Flavour,
    ServerFacts,
    ServerReading,
    facts_from_info,
    parse_info,
    reading_from_info,
)

INFO = """\
# Server\r
redis_version:7.2.4\r
server_name:valkey\r
valkey_version:9.1.2\r
server_mode:standalone\r
process_id:4711\r
config_file:/etc/odd:name.conf\r
\r
# Clients\r
connected_clients:12\r
maxclients:10000\r
blocked_clients:2\r
used_memory:1048576\r
mem_clients_normal:22800\r
total_connections_received:345\r
total_commands_processed:6789\r
rejected_connections:1\r
total_error_replies:5\r
evicted_keys:3\r
role:master\r
connected_slaves:0\r
used_cpu_sys:9.000000\r
used_cpu_user:9.000000\r
used_cpu_sys_main_thread:0.250001\r
used_cpu_user_main_thread:1.500000\r
"""


def test_a_reading_has_every_number() -> None:
    """Each field comes from the INFO field of that meaning; CPU is the main thread's."""
    assert ServerReading(
        at_ns=77,
        connected_clients=12,
        total_connections_received=345,
        rejected_connections=1,
        used_memory=1_048_576,
        mem_clients_normal=22_800,
        cpu_ns=1_750_001_000,
        commands_processed=6789,
        error_replies=5,
        blocked_clients=2,
        evicted_keys=3,
        errors=(),
    ) == reading_from_info(parse_info(INFO), 77)


def test_cpu_is_the_whole_process_where_no_thread_is_told_apart() -> None:
    """Servers that do not report the main thread report themselves."""
    assert 3_500_000_000 == reading_from_info({"used_cpu_user": 1, "used_cpu_sys": 2.5}, 0).cpu_ns


def test_half_a_cpu_time_is_none() -> None:
    """A sum of which one part is unknown is unknown; zero is a number."""
    assert None is reading_from_info({"used_cpu_user": "1.0"}, 0).cpu_ns
    assert 0 == reading_from_info({"used_cpu_user": "0.0", "used_cpu_sys": "0.0"}, 0).cpu_ns


def test_nothing_reported_is_nothing_known() -> None:
    """Without INFO every number is None, and none is zero."""
    assert ServerReading(at_ns=5) == reading_from_info({}, 5)
    assert ServerFacts() == facts_from_info({})


@given(st.dictionaries(st.sampled_from([f.name for f in fields(ServerReading)]), st.text()))
def test_whatever_stands_in_a_field_does_not_stop_us(info: dict[str, str]) -> None:
    """What is no finite number was not reported."""
    reading = reading_from_info(info, 0)
    assert {int, type(None)} >= {type(getattr(reading, f.name)) for f in fields(reading)}


def test_facts_say_what_does_not_change() -> None:
    """Version and flavour are Valkey's own, not the Redis version it is compatible with."""
    assert ServerFacts(
        version="9.1.2",
        flavour=Flavour.VALKEY,
        mode="standalone",
        role="master",
        maxclients=10_000,
        connected_clients=12,
        connected_slaves=0,
        process_id=4711,
        io_threads=4,
        tcp_backlog=511,
        accepts_per_cycle=10,
        tcp_keepalive_s=300,
        maxmemory=2**30,
        tls=True,
        missing=("CLIENT",),
    ) == facts_from_info(
        parse_info(INFO),
        settings={
            "maxclients": 1,
            "io-threads": 4,
            "tcp-backlog": 511,
            "max-new-connections-per-cycle": 10,
            "max-new-tls-connections-per-cycle": None,
            "tcp-keepalive": 300,
            "maxmemory": 2**30,
        },
        tls=True,
        missing=("CLIENT",),
    )


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"redis_version": "7.0.15", "redis_mode": "cluster"}, ("redis", "7.0.15", "cluster")),
        # The answer to HELLO.
        (
            {"server": "redis", "version": "6.2.1", "mode": "standalone"},
            ("redis", "6.2.1", "standalone"),
        ),
        (
            {"server": "valkey", "version": "8.0.1", "mode": "sentinel"},
            ("valkey", "8.0.1", "sentinel"),
        ),
        # Valkey 7.2 before it had a version of its own.
        ({"server_name": "valkey", "redis_version": "7.2.4"}, ("valkey", "7.2.4", None)),
    ],
)
def test_flavours_are_told_apart(info: dict[str, str], expected: tuple[str | None, ...]) -> None:
    """Valkey is what says so; Redis is what says only that."""
    facts = facts_from_info(info)
    assert expected == (facts.flavour, facts.version, facts.mode)


def test_the_configured_maxclients_fills_the_gap() -> None:
    """An INFO without maxclients leaves it to the configuration."""
    assert 128 == facts_from_info({"redis_version": "6.0"}, settings={"maxclients": 128}).maxclients


def test_info_is_split_at_the_first_colon() -> None:
    """Values may hold colons; titles and empty lines are no fields."""
    assert {"a": "b:c", "d": ""} == parse_info("# Title: x\r\na:b:c\r\n\r\nd:\r\nnothing\r\n")


def test_error_replies_are_counted_by_code() -> None:
    """As INFO's errorstats have them; one that counts none is not known to have none."""
    none_yet = {"total_error_replies": "0"}
    info = none_yet | {
        "errorstat_ERR": "count=3",
        "errorstat_NOPERM": "count=12",
        "errorstat_X": "many",
    }
    assert (("ERR", 3), ("NOPERM", 12)) == reading_from_info(info, 0).errors
    assert () == reading_from_info(none_yet, 0).errors
    assert None is reading_from_info({}, 0).errors
