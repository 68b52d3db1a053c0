"""What two runs must agree on before their numbers can stand side by side, and why.

What a comparison may be about (a client, a Python, a server version) is said when it
differs; what makes numbers incommensurable is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from valkeybench.errors import ResultError
from valkeybench.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from valkeybench.results.runfile import RunFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something two runs do not agree on."""

    name: str
    base: str
    new: str
    is_refused: bool
    """Whether it makes their numbers incommensurable."""
    why: str

    def __str__(self) -> str:
        """Put it on one line."""
        return f"{self.name}: {self.base} and {self.new}"


def differences(base: RunFile, new: RunFile) -> list[Difference]:
    """List what two runs do not agree on, what is refused first.

    What one of them does not tell is no difference.
    """
    found = []
    for item in _ITEMS:
        one, other = item.read(base), item.read(new)
        if one is not None and other is not None and one != other:
            found.append(
                Difference(
                    name=item.name,
                    base=item.say(one),
                    new=item.say(other),
                    is_refused=item.is_refused,
                    why=item.why,
                )
            )
    found += (*_unfinished(base, new), *_the_same(base, new))
    return sorted(found, key=lambda difference: not difference.is_refused)


def refuse_different(found: Sequence[Difference]) -> None:
    """Raise ResultError for differences that make numbers incommensurable."""
    refused = [difference for difference in found if difference.is_refused]
    if refused:
        raise ResultError(
            "these runs cannot be compared, they differ in "
            + "; ".join(f"{each} ({each.why})" for each in refused),
            remedy="measure both in the same place, or compare nonetheless: --even-if-different",
        )


def _unfinished(base: RunFile, new: RunFile) -> Iterator[Difference]:
    if {base.status, new.status} != {"complete"}:
        yield Difference(
            name="status",
            base=base.status,
            new=new.status,
            is_refused=False,
            why="a run that was not finished has fewer trials than it should",
        )


def _the_same(base: RunFile, new: RunFile) -> Iterator[Difference]:
    if base == new:
        yield Difference(
            name="run",
            base=f"that of {base.created}",
            new="the same once more",
            is_refused=False,
            why="beside itself a run shows no change, whatever there was",
        )


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    read: Callable[[RunFile], Any]
    why: str
    is_refused: bool = False
    say: Callable[[Any], str] = str


def _environment(*path: str) -> Callable[[RunFile], Any]:
    return lambda run: _at(run.environment, path)


def _scenario(*path: str) -> Callable[[RunFile], Any]:
    return lambda run: _at(run.scenario, path)


def _at(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever is there
    found: Any = record
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _package(name: str, axis: str = "", value: str = "") -> Callable[[RunFile], Any]:
    """Give the version of a package, where cases with that value of an axis are."""

    def read(run: RunFile) -> Any:  # noqa: ANN401 - as the file says
        if axis and all(case.axes.get(axis) != value for case in run.cases):
            return None
        return _environment("packages", name)(run)

    return read


def _over_tls(read: Callable[[RunFile], Any]) -> Callable[[RunFile], Any]:
    return lambda run: read(run) if any(case.axes.get("tls") for case in run.cases) else None


def _tls_setting(name: str, unset: str) -> Callable[[RunFile], Any]:
    """Give a setting of the server's TLS, where there was TLS; `unset` is what null stands for."""

    def read(run: RunFile) -> Any:  # noqa: ANN401 - as the file says
        *path, last = name.split(".")
        settings = _scenario("server", *path)(run)
        if not isinstance(settings, dict) or last not in settings:
            return None
        found = settings[last]
        return unset if found is None else found

    return _over_tls(read)


def _of_ours(read: Callable[[RunFile], Any]) -> Callable[[RunFile], Any]:
    """Read what only a server of ours is started with."""
    ours = _environment("server", "provider")
    return lambda run: read(run) if ours(run) == "embedded" else None


def _external_address(run: RunFile) -> Any:  # noqa: ANN401 - as the file says
    """Give where somebody else's server is; a server of ours listens anywhere."""
    ours = _environment("server", "provider")(run) == "embedded"
    return None if ours else _environment("server", "address")(run)


def _on_off(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _duration(value: object) -> str:
    return format_duration(value) if isinstance(value, int | float) else str(value)


_MACHINE = "another machine is another clock, another cache and other neighbours"
_LOAD = "another load has other response times"
_SUBJECT = "it may be what is compared; then everything else should agree"

_ITEMS = (
    _Item("CPU", _environment("cpu"), _MACHINE, is_refused=True),
    _Item("usable CPUs", _environment("cpus_usable"), _MACHINE, is_refused=True),
    _Item("machine", _environment("machine"), _MACHINE, is_refused=True),
    _Item("system", _environment("system"), _MACHINE, is_refused=True),
    _Item(
        "debug build of Python", _environment("debug_build"), "it is several times slower",
        is_refused=True, say=_on_off,
    ),
    _Item(
        "who does the server's TLS", _over_tls(_environment("server", "tls_provider")),
        "with a relay the server's part of TLS is not in its figures", is_refused=True,
    ),
    _Item(
        "whose server", _environment("server", "provider"),
        "one of our own is on this machine and does nothing else", is_refused=True,
    ),
    _Item("server mode", _environment("server", "mode"), _LOAD, is_refused=True),
    _Item(
        "place of the load", _environment("place"),
        "processes on other machines have another network between", is_refused=True,
    ),
    _Item("commands", _scenario("commands"), _LOAD, is_refused=True, say=_listed),
    _Item("data set", _scenario("data_set"), _LOAD, is_refused=True, say=_on_off),
    _Item("prewarmed pool", _scenario("prewarm"), _LOAD, is_refused=True, say=_on_off),
    _Item(
        "CPU placement", _scenario("pin"), "it changes response times two- to threefold",
        is_refused=True,
    ),
    _Item("redis-py", _package("redis"), _SUBJECT),
    _Item("hiredis", _package("hiredis"), _SUBJECT),
    _Item("valkey-py", _package("valkey", "client", "valkey-py"), _SUBJECT),
    _Item("libvalkey", _package("libvalkey", "client", "valkey-py"), _SUBJECT),
    _Item("uvloop", _package("uvloop", "event_loop", "uvloop"), _SUBJECT),
    _Item("Python", _environment("python"), _SUBJECT),
    _Item("Python implementation", _environment("implementation"), _SUBJECT),
    _Item("global interpreter lock", _environment("gil"), _SUBJECT, say=_on_off),
    _Item("server", _environment("server", "flavour"), _SUBJECT),
    _Item("server version", _environment("server", "version"), _SUBJECT),
    _Item("server address", _external_address, _SUBJECT),
    _Item("TLS key", _of_ours(_tls_setting("key_type", "")), _SUBJECT),
    _Item("TLS version", _of_ours(_tls_setting("tls_version", "any")), _SUBJECT),
    _Item("least TLS version", _tls_setting("tls.min_version", "any"), _SUBJECT),
    _Item("TLS ciphers", _tls_setting("tls.ciphers", "the usual ones"), _SUBJECT),
    _Item("mutual TLS", _of_ours(_tls_setting("mutual_tls", "")), _SUBJECT, say=_on_off),
    _Item("kernel", _environment("kernel"), "another kernel has another network stack"),
    _Item(
        "valkeybench", lambda run: run.tool.version,
        "another version may measure another way: see its changelog",
    ),
    _Item(
        "length of a trial", _scenario("duration_ns"),
        "a longer one scatters less and has seen more rare events", say=_duration,
    ),
    _Item(
        "warm-up", _scenario("warmup_ns"), "a shorter one leaves more of the start in the figures",
        say=_duration,
    ),
)  # fmt: skip
