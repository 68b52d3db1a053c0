"""The keys of a run: there when reads need them, as large as asked, and gone afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from valkeybench.errors import ServerError
from valkeybench.load.keyspace import own_keyspace
from valkeybench.scenario.commands import READS, Holds
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.model import Axes, Scenario
from valkeybench.scenario.secret import Secret
from valkeybench.scenario.values import Values

if TYPE_CHECKING:
    from tests.load.loads import AnyClient
    from valkeybench.server.endpoint import Endpoint

PREFIX = "valkeybench:keyspace:"
TYPES = {
    "string": "GET string:{0..9}",
    "hash": "PIPELINE 5 HGET hash:{0..9} f:{0..4}",
    "list": "LRANGE list:{zipf:0..9} 0 -1",
    "set": "SMEMBERS set:{seq:0..9}",
    "zset": "ZRANGE zset:{0..9} 0 -1",
    "stream": "XRANGE stream:{0..9} - +",
}


def scenario(
    *texts: str, sizes: tuple[int | Values, ...] = (20,), data_set: bool = True
) -> Scenario:
    """Make a scenario of these commands."""
    return Scenario(commands=texts, axes=Axes(value_size=sizes), data_set=data_set)


def test_every_type_is_there_and_gone_afterwards(embedded: Endpoint, server: AnyClient) -> None:
    """Ten keys of each type, counted; not one is left."""
    with own_keyspace(embedded, scenario(*TYPES.values()), prefix=PREFIX) as keyspace:
        for kind in TYPES:
            assert {kind} == {server.type(f"{PREFIX}{kind}:{n}") for n in range(10)}
        assert 60 == keyspace.loaded.keys == server.dbsize()
        assert 0 < keyspace.loaded.lasted_ns
    assert "" == keyspace.left_behind
    assert 0 == server.dbsize()
    assert {holds.value for holds in Holds} == {
        "sorted set" if kind == "zset" else kind for kind in TYPES
    }


def test_what_a_server_has_lost_is_written_again(embedded: Endpoint, server: AnyClient) -> None:
    """All of it, as it was, once; nobody holds a connection meanwhile that would be disturbed."""
    axes = Axes(value_size=(20,), disturb=(Disturbance(Deed.RESTART),))
    asked = replace(scenario(*TYPES.values()), axes=axes)
    with own_keyspace(embedded, asked, prefix=PREFIX, life="1") as keyspace:
        before = len(server.client_list())
        server.flushall()
        keyspace.follow("1")
        assert 0 == server.dbsize()
        keyspace.follow("2")
        assert 60 == server.dbsize()
        assert ["x" * 20] * 10 == server.lrange(f"{PREFIX}list:3", 0, -1)
        assert 1 == before == len(server.client_list())
        server.flushall()
        keyspace.follow("2")
        assert 0 == server.dbsize()
    assert 0 == server.dbsize()
    with own_keyspace(embedded, scenario("PING", data_set=False), prefix=PREFIX) as keyspace:
        keyspace.follow("2")
        assert 0 == server.dbsize()


def test_values_have_the_size_asked_for(embedded: Endpoint, server: AnyClient) -> None:
    """In every type: values of strings, fields, entries and members alike."""
    with own_keyspace(embedded, scenario(*TYPES.values()), prefix=PREFIX):
        assert 20 == server.strlen(f"{PREFIX}string:3")
        assert {f"f:{n}": "x" * 20 for n in range(5)} == server.hgetall(f"{PREFIX}hash:3")
        assert ["x" * 20] * 10 == server.lrange(f"{PREFIX}list:3", 0, -1)
        assert [20] * 10 == [len(member) for member in server.smembers(f"{PREFIX}set:3")]
        assert [20] * 10 == [len(member) for member in server.zrange(f"{PREFIX}zset:3", 0, -1)]
        entries = server.xrange(f"{PREFIX}stream:3")
        assert [{"field": "x" * 20}] * 10 == [fields for _, fields in entries]


def test_each_size_has_its_data_set(embedded: Endpoint, server: AnyClient) -> None:
    """Where sizes are compared, every case finds values of its own size, spread as asked."""
    sizes = (5, Values(1, 100))
    with own_keyspace(embedded, scenario("GET k:{0..99}", sizes=sizes), prefix=PREFIX) as keyspace:
        assert {5} == {server.strlen(f"{PREFIX}0:k:{n}") for n in range(100)}
        found = sorted(server.strlen(f"{PREFIX}1:k:{n}") for n in range(100))
        assert 50 < len(set(found))
        assert (1, 100) >= (found[0], 100)
        assert 200 == keyspace.loaded.keys
    assert 0 == server.dbsize()


def test_the_bytes_are_those_of_the_words(embedded: Endpoint) -> None:
    """Keys and values, as they are sent."""
    with own_keyspace(embedded, scenario("GET k:{0..9}"), prefix=PREFIX) as keyspace:
        assert 10 * (len(PREFIX) + len("k:0") + 20) == keyspace.loaded.size


def test_nothing_is_loaded_where_nothing_is_read_or_wanted(
    embedded: Endpoint, server: AnyClient
) -> None:
    """Writes find what they find; a data set that is not wanted costs nothing."""
    for asked in (scenario("SET k v"), scenario("GET k", data_set=False)):
        with own_keyspace(embedded, asked, prefix=PREFIX) as keyspace:
            assert 0 == server.dbsize() == keyspace.loaded.keys == keyspace.loaded.lasted_ns


def test_keys_go_also_when_the_load_fails(embedded: Endpoint, server: AnyClient) -> None:
    """Whatever ends it, what was written by the load among them; other keys stay."""
    server.set("other", "1")

    def interrupted() -> None:
        with own_keyspace(embedded, scenario("GET k:{0..9}", "SET l:{0..9} v"), prefix=PREFIX):
            server.set(f"{PREFIX}l:3", "v")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ["other"] == server.keys()


@pytest.mark.parametrize(
    "rights", [("+set", "+unlink"), ("+set", "+del"), ("+@all", "-unlink")], ids=" ".join
)
def test_keys_go_by_whatever_the_user_may_use(
    embedded: Endpoint, server: AnyClient, rights: tuple[str, ...]
) -> None:
    """By UNLINK or by DEL."""
    server.acl_setuser("tidy", enabled=True, nopass=True, keys=["valkeybench:*"], commands=rights)
    user = replace(embedded, username="tidy", password=Secret("any"))
    with own_keyspace(user, scenario("GET k:{0..9}"), prefix=PREFIX) as keyspace:
        assert 10 == server.dbsize()
    server.acl_deluser("tidy")

    assert 0 == server.dbsize()
    assert "" == keyspace.left_behind


@pytest.mark.parametrize("keys", ["valkeybench:*", "other:*"])
def test_nothing_is_written_that_could_not_be_removed(
    embedded: Endpoint, server: AnyClient, keys: str
) -> None:
    """Refused before a key is there, by what is missing; keys out of reach are said as such."""
    server.acl_setuser("hoard", enabled=True, nopass=True, keys=[keys], commands=["+set"])
    user = replace(embedded, username="hoard", password=Secret("any"))
    with (
        pytest.raises(ServerError) as caught,
        own_keyspace(user, scenario("GET k:{0..9}"), prefix=PREFIX),
    ):
        pass
    server.acl_deluser("hoard")

    assert 0 == server.dbsize()
    assert "neither UNLINK nor DEL" in caught.value.message
    assert "+unlink" in caught.value.remedy
    assert "--no-data-set" in caught.value.remedy


def test_what_the_load_leaves_is_said_where_it_may_not_be_removed(
    embedded: Endpoint, server: AnyClient
) -> None:
    """Without a data set nothing is asked before; what stays is said with the server's reason."""
    server.acl_setuser(
        "hoard", enabled=True, nopass=True, keys=["valkeybench:*"], commands=["+set"]
    )
    user = replace(embedded, username="hoard", password=Secret("any"))
    asked = scenario("SET k:{0..9} v", data_set=False)
    with own_keyspace(user, asked, prefix=PREFIX) as keyspace:
        server.set(f"{PREFIX}k:3", "v")
    server.acl_deluser("hoard")

    assert 1 == server.dbsize()
    assert "del" in keyspace.left_behind
    server.delete(f"{PREFIX}k:3")


def test_large_values_are_loaded_in_parts(embedded: Endpoint, server: AnyClient) -> None:
    """No pipeline of more than some megabytes, and all of it arrives."""
    texts = ("GET k:{0..39}",)
    with own_keyspace(embedded, scenario(*texts, sizes=(2**20,)), prefix=PREFIX) as keyspace:
        assert 40 == server.dbsize() == keyspace.loaded.keys
        assert 2**20 == server.strlen(f"{PREFIX}k:39")


def test_what_must_not_be_written_is_said(embedded: Endpoint, server: AnyClient) -> None:
    """A server that refuses, here for a type that is there already, ends the run with a remedy."""
    server.rpush(f"{PREFIX}h", "a list")
    with (
        pytest.raises(ServerError, match="could not be written") as caught,
        own_keyspace(embedded, scenario("HGETALL h"), prefix=PREFIX),
    ):
        pass
    assert "HSET" in caught.value.remedy


@pytest.mark.parametrize("name", sorted(READS))
def test_every_command_that_reads_finds_something(embedded: Endpoint, name: str) -> None:
    """Each command of the table is answered otherwise than it is for a key that is not there."""
    arguments = {
        "GETRANGE": ["0", "5"], "SUBSTR": ["0", "5"], "GETBIT": ["3"], "BITPOS": ["1"],
        "BITFIELD_RO": ["GET", "u8", "0"], "HGET": ["f"], "HMGET": ["f"], "HEXISTS": ["f"],
        "HSTRLEN": ["f"], "HSCAN": ["0"], "LRANGE": ["0", "5"], "LINDEX": ["0"], "LPOS": ["x" * 20],
        "SISMEMBER": ["f"], "SMISMEMBER": ["f"], "SSCAN": ["0"], "ZRANGE": ["0", "5"],
        "ZREVRANGE": ["0", "5"], "ZRANGEBYSCORE": ["0", "5"], "ZREVRANGEBYSCORE": ["5", "0"],
        "ZRANGEBYLEX": ["-", "+"], "ZREVRANGEBYLEX": ["+", "-"], "ZSCORE": ["f"],
        "ZMSCORE": ["f"], "ZRANK": ["f"], "ZREVRANK": ["f"], "ZCOUNT": ["0", "5"],
        "ZLEXCOUNT": ["-", "+"], "ZSCAN": ["0"], "XRANGE": ["-", "+"], "XREVRANGE": ["+", "-"],
    }  # fmt: skip
    words = [name, "k", *arguments.get(name, [])]
    settings: dict[str, Any] = embedded.connection_kwargs()
    with (
        own_keyspace(embedded, scenario(" ".join(words)), prefix=PREFIX),
        redis.Redis(**settings) as client,
    ):
        missed, found = (
            client.execute_command(name, key, *words[2:]) for key in ("missing", f"{PREFIX}k")
        )
        assert missed != found
