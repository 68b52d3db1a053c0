"""What an error reply is called: the first word the server said, however a client spells it.

Only a word that looks like a code is taken, and of a refusal the command the server names:
the rest may hold data. Client libraries cut the code off, or put a name of theirs in its place.
"""

from __future__ import annotations

import re

from valkeybench.load.failures import beneath, is_glide_error, is_reply_error
from valkeybench.load.wire.failure import ErrorReplyError
from valkeybench.measurement.reply_codes import OTHER

_CODE = re.compile(r"[A-Z][A-Z0-9_-]{0,31}(?=[ :]|$)")
_COMMAND = re.compile(r"permissions? to run the '([A-Za-z0-9_.|-]{1,32})' command")
_USUAL, _PERMISSION = "ERR", "NOPERM"

_BY_TYPE = {
    "NoPermissionError": _PERMISSION,
    "OutOfMemoryError": "OOM",
    "ExecAbortError": "EXECABORT",
    "BusyLoadingError": "LOADING",
    "NoScriptError": "NOSCRIPT",
    "ReadOnlyError": "READONLY",
    "ClusterDownError": "CLUSTERDOWN",
    "ClusterCrossSlotError": "CROSSSLOT",
    "MasterDownError": "MASTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "AskError": "ASK",
    "MovedError": "MOVED",
}
"""Exceptions of redis-py and valkey-py whose text begins after the code."""
_KEPT = frozenset({
    "WRONGTYPE", "MISCONF", "NOREPLICAS", "BUSY", "BUSYKEY", "BUSYGROUP", "NOGROUP", "NOPROTO",
    "UNKILLABLE", "NOTBUSY", "NOMASTERLINK", "INPROG", "UNBLOCKED", "DENIED", "IOERR",
})  # fmt: skip
"""Codes that valkey-py leaves in the text; others it has cut off, and what then begins in
capitals (`DB index is out of range`) is no code."""

_GLIDE_SAYS = "An error was signalled by the server: - "
_BY_GLIDE_NAME = {
    "ResponseError": _USUAL,
    "PermissionDenied": _PERMISSION,
    "ReadOnly": "READONLY",
    "BusyLoadingError": "LOADING",
    "NoScriptError": "NOSCRIPT",
    "ExecAbortError": "EXECABORT",
    "CrossSlot": "CROSSSLOT",
    "ClusterDown": "CLUSTERDOWN",
    "MasterDown": "MASTERDOWN",
    "TryAgain": "TRYAGAIN",
}
"""Names valkey-glide gives to codes; those it has none for it leaves as they are."""


def reply_code(error: BaseException) -> str:
    """Name the error reply that was raised as this: `WRONGTYPE`, `NOPERM GET`.

    Of a permission that lacks, the command follows where the server named one. Empty when it
    was no reply of the server's, or a full one's, which is a kind of failure of its own.
    """
    error = beneath(error)
    if isinstance(error, ErrorReplyError):
        code = "" if error.is_farewell else _first_word(str(error))
    elif is_glide_error(error):
        code = _of_glide(str(error))
    elif is_reply_error(error):
        code = _of_redis_py(error)
    else:
        return ""
    named = _COMMAND.search(str(error)) if code == _PERMISSION else None
    return f"{code} {named[1].upper()}" if named else code


def _first_word(text: str) -> str:
    found = _CODE.match(text)
    return found[0] if found else OTHER


def _of_redis_py(error: BaseException) -> str:
    """Ask the exception, where it knows, and its type; what is left has the code in its text."""
    told: str | None = getattr(error, "status_code", None)
    if told:
        return _first_word(told)
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_TYPE:
            return _BY_TYPE[kind.__name__]
    # Within a batch it is put after the command.
    text = str(error)
    if text.startswith("Command # "):
        text = text.rpartition(" of pipeline caused error: ")[2]
    if "AuthenticationError" in (kind.__name__ for kind in type(error).__mro__):
        return "WRONGPASS" if "invalid username" in text else "NOAUTH"
    code = _first_word(text)
    tells = hasattr(error, "status_code")  # and did not, because it does not know the code
    return code if tells or code in _KEPT else _USUAL


def _of_glide(text: str) -> str:
    said = text.removeprefix(_GLIDE_SAYS)
    name = re.split("[ :]", said, maxsplit=1)[0]
    return _BY_GLIDE_NAME.get(name) or _first_word(said)
