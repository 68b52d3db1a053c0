"""What valkeybench knows of the server's commands: what may be sent, and what it finds there.

A command that is in no table is sent with the first word after its name as its key; the
server itself is asked whether that is right before a load starts.
"""

from __future__ import annotations

from enum import StrEnum

from valkeybench.scenario.word import TemplateError


class Holds(StrEnum):
    """What a key holds."""

    STRING = "string"
    HASH = "hash"
    LIST = "list"
    SET = "set"
    SORTED_SET = "sorted set"
    STREAM = "stream"


READS: dict[str, Holds | None] = {
    **dict.fromkeys(
        ("GET", "GETRANGE", "SUBSTR", "STRLEN", "MGET", "GETBIT", "BITCOUNT", "BITPOS", "GETEX",
         "BITFIELD_RO"), Holds.STRING),
    **dict.fromkeys(
        ("HGET", "HMGET", "HGETALL", "HLEN", "HKEYS", "HVALS", "HEXISTS", "HSTRLEN", "HRANDFIELD",
         "HSCAN"), Holds.HASH),
    **dict.fromkeys(("LRANGE", "LINDEX", "LLEN", "LPOS"), Holds.LIST),
    **dict.fromkeys(
        ("SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD", "SRANDMEMBER", "SSCAN"), Holds.SET),
    **dict.fromkeys(
        ("ZRANGE", "ZREVRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZRANGEBYLEX",
         "ZREVRANGEBYLEX", "ZSCORE", "ZMSCORE", "ZRANK", "ZREVRANK", "ZCARD", "ZCOUNT",
         "ZLEXCOUNT", "ZRANDMEMBER", "ZSCAN"), Holds.SORTED_SET),
    **dict.fromkeys(("XRANGE", "XREVRANGE", "XLEN"), Holds.STREAM),
    **dict.fromkeys(("EXISTS", "TTL", "PTTL", "TYPE", "DUMP", "TOUCH", "EXPIRETIME"), None),
}  # fmt: skip
"""Commands that should find something, and what; None is anything."""

WRITES: dict[str, Holds] = {
    **dict.fromkeys(
        ("SET", "SETEX", "PSETEX", "SETNX", "APPEND", "SETRANGE", "INCR", "INCRBY", "INCRBYFLOAT",
         "DECR", "DECRBY", "SETBIT", "BITFIELD", "GETSET"), Holds.STRING),
    **dict.fromkeys(("HSET", "HMSET", "HSETNX", "HDEL", "HINCRBY", "HINCRBYFLOAT"), Holds.HASH),
    **dict.fromkeys(
        ("LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LPOP", "RPOP", "LSET", "LTRIM", "LREM",
         "LINSERT"), Holds.LIST),
    **dict.fromkeys(("SADD", "SREM", "SPOP"), Holds.SET),
    **dict.fromkeys(
        ("ZADD", "ZREM", "ZINCRBY", "ZPOPMIN", "ZPOPMAX", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE",
         "ZREMRANGEBYLEX", "GEOADD"), Holds.SORTED_SET),
    **dict.fromkeys(("XADD", "XDEL", "XTRIM"), Holds.STREAM),
}  # fmt: skip
"""What a command makes of its key, or wants it to be."""

COUNTS = frozenset({"INCR", "INCRBY", "INCRBYFLOAT", "DECR", "DECRBY"})
"""Commands that want their key to hold a number."""

NAMES_ONE_ITEM = frozenset(
    {"HGET", "HEXISTS", "HSTRLEN", "SISMEMBER", "ZSCORE", "ZRANK", "ZREVRANK"}
)
NAMES_MANY_ITEMS = frozenset({"HMGET", "SMISMEMBER", "ZMSCORE"})
"""Commands that read fields or members by name: one, or all words after the key."""

_KEYLESS = {"PING", "ECHO", "TIME", "CLIENT", "INFO", "DBSIZE", "LOLWUT", "COMMAND"}
_OF_CLIENT = {"ID", "INFO", "LIST", "GETNAME", "GETREDIR", "TRACKINGINFO"}
"""The subcommands of CLIENT that only look; others kill, pause or change connections."""
_ONE_KEY = {"EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "PERSIST", "PFADD", "GETDEL"}
_MANY_KEYS = {"MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"}
_WAITS = {
    "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX", "BLMPOP", "BZMPOP",
    "WAIT", "WAITAOF",
}  # fmt: skip
_MAY_WAIT = {"XREAD", "XREADGROUP"}
_LISTENS = {
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE",
    "MONITOR", "SYNC", "PSYNC",
}  # fmt: skip
_CHANGES_CONNECTION = {
    "SELECT", "AUTH", "HELLO", "QUIT", "RESET", "READONLY", "READWRITE", "ASKING",
}  # fmt: skip
_OF_TRANSACTIONS = {"EXEC", "DISCARD", "WATCH", "UNWATCH"}
_HARMS_SERVER = {
    "FLUSHALL", "FLUSHDB", "SHUTDOWN", "CONFIG", "DEBUG", "SWAPDB", "REPLICAOF", "SLAVEOF",
    "FAILOVER", "CLUSTER", "ACL", "SAVE", "BGSAVE", "BGREWRITEAOF", "KEYS", "MODULE",
    "SCRIPT", "FUNCTION", "LATENCY", "SLOWLOG", "COMMANDLOG", "REPLCONF",
}  # fmt: skip
_KEYS_ELSEWHERE = {
    "EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO", "MSET", "MSETNX", "MSETEX",
    "RENAME", "RENAMENX", "COPY", "MOVE", "MIGRATE", "OBJECT", "MEMORY", "BITOP", "SMOVE", "LMOVE",
    "RPOPLPUSH", "SORT", "SORT_RO", "SDIFF", "SDIFFSTORE", "SINTER", "SINTERCARD", "SINTERSTORE",
    "SUNION", "SUNIONSTORE", "ZDIFF", "ZDIFFSTORE", "ZINTER", "ZINTERCARD", "ZINTERSTORE",
    "ZUNION", "ZUNIONSTORE", "ZRANGESTORE", "GEOSEARCHSTORE", "PFMERGE", "PFCOUNT", "LMPOP",
    "ZMPOP", "LCS", "XREAD", "XREADGROUP", "XGROUP", "XINFO", "PUBLISH", "SPUBLISH", "SCAN",
    "RANDOMKEY", "GEORADIUS", "GEORADIUSBYMEMBER",
}  # fmt: skip

APART = "give such commands connections of their own, apart from the pool and on top of its size"
"""What to do with a command that keeps its connection."""


def check_command(name: str, words: list[str]) -> None:
    """Refuse what a shared connection cannot bear, or what reaches beyond our own keys.

    `words` are the command's, its name first and in any case; `name` is in capitals. Raises
    TemplateError.
    """
    _check_connection(name, words)
    if name in _HARMS_SERVER:
        raise TemplateError(f"{name} acts on the whole server, not on keys of our own")
    if name in _KEYS_ELSEWHERE:
        raise TemplateError(f"{name} names keys in places that cannot be kept under our own prefix")
    if name == "CLIENT" and (len(words) == 1 or words[1].upper() not in _OF_CLIENT):
        raise TemplateError(f"of CLIENT only {', '.join(sorted(_OF_CLIENT))} leave others alone")


def _check_connection(name: str, words: list[str]) -> None:
    """Refuse what keeps or changes its connection."""
    blocks = any(word.upper() == "BLOCK" for word in words[1:])
    if name in _WAITS or (name in _MAY_WAIT and blocks):
        raise TemplateError(
            f"{name} waits on the server and keeps its connection from the pool meanwhile", APART
        )
    if name in _LISTENS:
        raise TemplateError(
            f"{name} keeps its connection for listening, and a shared pool never gets it back",
            APART,
        )
    if name in _CHANGES_CONNECTION:
        raise TemplateError(
            f"{name} changes its connection for whoever gets it next",
            "use --db, --user, --password-file or --protocol: they hold for every connection",
        )
    if name in _OF_TRANSACTIONS:
        raise TemplateError(
            f"{name} needs one connection for several requests, and a shared pool gives any",
            "write a transaction in one: 'MULTI INCR a ; INCR b'; its EXEC is sent for you",
        )


def is_known(name: str) -> bool:
    """Tell whether we know of a command, without asking a server, which of its words are keys."""
    return name in _KEYLESS | _ONE_KEY | _MANY_KEYS or name in READS or name in WRITES


def key_words(name: str, words: int) -> tuple[int, ...]:
    """Say which words of a command are keys, of so many, its name the first."""
    if name in _KEYLESS or words == 1:
        return ()
    return tuple(range(1, words)) if name in _MANY_KEYS else (1,)
