"""Error replies are named by their codes, by every client alike, and by nothing else they hold."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis
import valkey

from tests.load.loads import NO_PAUSE, drive_here, make_trial
from tests.server.processes import client
from valkeybench.load.reply_code import reply_code
from valkeybench.load.wire.failure import ErrorReplyError
from valkeybench.scenario.model import Case, Client, Driver, Pool
from valkeybench.scenario.secret import Secret
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint

WAYS = [
    (Driver.THREADS, Client.REDIS_PY),
    (Driver.ASYNCIO, Client.REDIS_PY),
    (Driver.WIRE, Client.REDIS_PY),
    (Driver.THREADS, Client.VALKEY_PY),
    (Driver.ASYNCIO, Client.VALKEY_PY),
    (Driver.THREADS, Client.VALKEY_GLIDE),
    (Driver.ASYNCIO, Client.VALKEY_GLIDE),
]


@pytest.mark.parametrize(("driver", "asks"), WAYS)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("SET key value", "NOPERM SET"),
        ("PIPELINE 2 SET key value", "NOPERM SET"),
        ("GET list", "WRONGTYPE"),
        ("INCRBY key many", "ERR"),
    ],
)
def test_every_client_hears_the_same(
    embedded: Endpoint, driver: Driver, asks: Client, command: str, code: str
) -> None:
    """A command that is not permitted by its name, and every failed command under a code."""
    pool = Pool.MULTIPLEXED if asks is Client.VALKEY_GLIDE else Pool.BLOCKING
    case = Case(client=asks, driver=driver, pool=pool, concurrency=2, think=NO_PAUSE).meaningful()
    trial = make_trial(case, lasts_ns=100 * MILLISECOND, commands=(command,))
    with closing(client(embedded)) as admin:
        admin.rpush(f"{trial.key_prefix}list", "item")
        admin.acl_setuser(
            "coded",
            enabled=True,
            passwords="+word",
            keys="*",
            commands=["+get", "+incrby", "+@connection", "+info"],
        )
    seen = drive_here(trial, replace(embedded, username="coded", password=Secret("word")))
    assert {code: seen.failed} == seen.error_replies
    assert 0 < seen.failed


SECRET = "S3CR3T_OF_A_USER"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ErrorReplyError("OOM command not allowed"), "OOM"),
        (ErrorReplyError(f"{'X' * 33} is too long"), "OTHER"),
        (ErrorReplyError(f"what {SECRET}"), "OTHER"),
        (ErrorReplyError("ERR max number of clients reached"), ""),
        (ErrorReplyError("NOPERM No permissions to access a key"), "NOPERM"),
        (
            ErrorReplyError("NOPERM User u has no permissions to run the 'acl|list' command"),
            "NOPERM ACL|LIST",
        ),
        (ErrorReplyError(f"NOPERM to run the '{SECRET * 9}' command"), "NOPERM"),
        (redis.ResponseError("DB index is out of range", status_code="ERR"), "ERR"),
        (redis.ResponseError("TOOMANY of them"), "TOOMANY"),
        (redis.exceptions.ReadOnlyError("You can't write", status_code="READONLY"), "READONLY"),
        (
            redis.ResponseError(f"Command # 1 (SET k {SECRET}) of pipeline caused error: BUSY so"),
            "BUSY",
        ),
        (valkey.ResponseError("DB index is out of range"), "ERR"),
        (valkey.ResponseError("MISCONF Errors writing"), "MISCONF"),
        (valkey.exceptions.OutOfMemoryError("command not allowed"), "OOM"),
        (valkey.AuthenticationError("invalid username-password pair"), "WRONGPASS"),
        (redis.ConnectionError("Connection closed by server."), ""),
        (redis.TimeoutError("ERR"), ""),
        (ValueError("ERR"), ""),
    ],
)
def test_a_code_is_a_word_in_capitals_and_nothing_else_is_kept(error: Exception, code: str) -> None:
    """What a message holds besides may be somebody's data; what is no reply has no code."""
    assert code == reply_code(error)
