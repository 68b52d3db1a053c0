"""The report of a search for a size: what was found, what was tried, and what lies beyond.

Everything it says stands in the recommendation's evidence; a part that is missing there, as
in files of other versions, is left out.
"""

from __future__ import annotations

from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

from valkeybench.report.advice import recommendation_callouts, warning_callouts
from valkeybench.report.document import (
    Align,
    Callout,
    Cell,
    Column,
    Document,
    Heading,
    KeyValues,
    Kind,
    Note,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.report.labels import axis_label, labels, pool_of
from valkeybench.report.run import who
from valkeybench.report.snippets import fair_snippets, pool_snippets
from valkeybench.scenario.model import Pool
from valkeybench.units import (
    are,
    format_count,
    format_duration,
    format_percent,
    format_rate,
    plural,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import Recommendation, RunFile

    Evidence = Mapping[str, Any]

_LOAD_AXES = ("concurrency", "processes", "driver", "think", "rate", "rtt_ns")
_MARKS = {True: "enough", False: "not enough", None: "not settled"}
_FATES = {False: "wait", True: "fail"}
"""What becomes of who finds none free, by whether the pool raises."""
_TONES = {"enough": Tone.GOOD, "not enough": Tone.BAD}


def is_search(run: RunFile) -> bool:
    """Tell whether a run file holds a search for a size."""
    return any("walk" in each.evidence for each in run.recommendations)


def size_document(run: RunFile, *, path: str | None) -> Document:
    """Make the report that ends a search; `path` is where the run file is, if it was kept."""
    blocks = chain(
        search_opening(run),
        recommendation_callouts(run.recommendations),
        search_evidence(run),
        _warnings(run),
        _closing(path),
    )
    return Document(tuple(blocks))


def size_summary(run: RunFile) -> Document:
    """Say only what was found."""
    return Document(tuple(recommendation_callouts(run.recommendations)))


def search_opening(run: RunFile) -> Iterable[Block]:
    """Say what was searched for, with what, and whether the search came to its end."""
    name = run.scenario.get("title") or run.scenario.get("name")
    yield Heading(text="The smallest pool that is enough", level=1)
    if isinstance(name, str) and name != "ad-hoc":
        yield Paragraph(text=name)
    yield Paragraph(text=who(run), tone=Tone.QUIET)
    axes = run.cases[0].axes if run.cases else {}
    load = [axis_label(name, axes[name]) for name in _LOAD_AXES if axes.get(name)]
    commands = run.scenario.get("commands")
    load += [str(each) for each in commands] if isinstance(commands, list) else []
    trials = sum(len(case.trials) for case in run.cases)
    yield Paragraph(text=f"{plural(trials, 'trial')} · {', '.join(load)}", tone=Tone.QUIET)
    if run.status != "complete":
        yield Callout(
            kind=Kind.WARNING,
            title=f"This search was {run.status}",
            text="What was tried until then is kept; what it says is no more than an estimate.",
        )


def search_evidence(run: RunFile) -> Iterable[Block]:
    """Show what was tried, what lies beyond, and what to paste; nothing where nothing is kept."""
    found = next((each for each in run.recommendations if "walk" in each.evidence), None)
    return _explained(run, found) if found else ()


def _explained(run: RunFile, found: Recommendation) -> Iterable[Block]:
    evidence: Evidence = found.evidence
    yield from _tried(evidence)
    size = found.max_connections
    if size is None:
        return
    yield from _further(evidence, size)
    yield from _limits(evidence, run.cases[0].axes)
    yield from _rules(evidence)
    yield from _growth(evidence, size)
    yield from _certificates(evidence)
    yield Heading(text="Ready to paste")
    pasted = evidence.get("with_headroom", size)
    headroom = format_percent(evidence.get("headroom", 0.0))
    said = f"{size} and {headroom} headroom" if pasted != size else "no headroom: it has none left"
    each = "process and node" if run.cases[0].nodes is not None else "process"
    yield Paragraph(text=f"max_connections = {pasted} ({said}), for each {each}.")
    axes = run.cases[0].axes
    given = axes.get("pool_timeout_ns")
    timeout = given if isinstance(given, int) else None
    pool, is_cluster = pool_of(axes) or Pool.BLOCKING, run.cases[0].nodes is not None
    yield from pool_snippets(pool, pasted, timeout_ns=timeout, cluster=is_cluster)
    cure = evidence.get("cure")
    if cure is not None and cure["failed"] is None and not is_cluster:
        yield Paragraph(text="The cure of what made smaller pools wait, at the same size:")
        yield from fair_snippets(pasted, timeout_ns=timeout)


def _tried(evidence: Evidence) -> Iterable[Block]:
    base, walk = evidence["base"], evidence["walk"]
    rows = [_tried_row(each, _MARKS[each["enough"]]) for each in walk]
    failed = [each for each in walk if each.get("failed")]
    walked = evidence.get("walk_trials", evidence["trials"])
    cure = evidence.get("cure")
    if cure is not None:
        rows.append(_tried_row(cure, _MARKS[cure["failed"] is None]))
    rows.append(_tried_row(base, "base"))
    yield Heading(text="Sizes tried")
    yield Table(
        columns=(
            Column(title="connections", align=Align.LEFT),
            Column(title="", align=Align.LEFT),
            Column(title="runs", priority=2),
            Column(title="response p99"),
            Column(title="pool wait p99"),
            Column(title="throughput", priority=1),
        ),
        rows=tuple(rows),
        notes=(
            *(Note(f"{each['max_connections']}: {each['failed']['said']}.") for each in failed),
            Note(
                f"Medians of the runs. It took {plural(walked, 'trial')}; a sweep of all"
                f" sizes takes {evidence['sweep_trials']}."
            ),
        ),
    )


def _tried_row(each: Evidence, mark: str) -> tuple[Cell, ...]:
    fair = " (fair)" if each.get("pool") == Pool.FAIR.value else ""
    return (
        Cell(f"{each['max_connections']}{fair}"),
        Cell(mark, _TONES.get(mark, Tone.QUIET)),
        Cell(format_count(len(each["throughput"]))),
        Cell(_middle(each["p99_ns"], format_duration)),
        Cell(_middle(each["wait_p99_ns"], format_duration)),
        Cell(_middle(each["throughput"], format_rate)),
    )


def _middle(values: Sequence[float | None], write: Any) -> str:  # noqa: ANN401 - a format_…
    known = [value for value in values if value is not None]
    return str(write(median(known))) if known else "–"


def _further(evidence: Evidence, size: int) -> Iterable[Block]:
    rows = evidence.get("further", [])
    if len(rows) > 1:
        yield Heading(text="What each further connection would buy")
        yield Table(
            columns=(
                Column(title="connections", align=Align.LEFT),
                Column(title="acquires that would find none free"),
            ),
            rows=tuple(
                (
                    Cell(str(row["max_connections"])),
                    Cell(_share(row["waiting"]), Tone.PLAIN if row["waiting"] else Tone.QUIET),
                )
                for row in rows
            ),
            notes=(
                Note("Counted in the runs of the base, where nobody had to wait."),
                Note(f"Each is one connection more in every process than {size}."),
            ),
        )


def _limits(evidence: Evidence, axes: Mapping[str, object]) -> Iterable[Block]:
    bounds = evidence.get("bounds", [])
    if not bounds:
        return
    cpu = [
        f"{name} {format_percent(evidence[key])} busy"
        for name, key in (("client", "client_cpu"), ("server", "server_cpu"))
        if evidence.get(key) is not None
    ]
    yield Heading(text="What limits beyond it")
    yield Paragraph(
        text=f"By Little's law {evidence['littles_law']:.3g} connections are in use on average:"
        f" each is held {format_duration(evidence['hold_ns'])} at a time{_network(axes)}, and"
        f" handlers pause {format_duration(evidence['think_ns'])} between commands."
        + (f" {'; '.join(cpu).capitalize()}." if cpu else "")
    )
    yield Table(
        columns=(
            Column(title="limited by", align=Align.LEFT),
            Column(title="at most, for each process"),
            Column(title="how", align=Align.LEFT, priority=1),
        ),
        rows=tuple(
            (Cell(each["resource"]), Cell(format_rate(each["rate"])), Cell(each["formula"]))
            for each in bounds
        ),
        notes=(Note("Each alone, with nothing else in the way; the first one binds first."),),
    )


def _network(axes: Mapping[str, object]) -> str:
    """Say how much of a hold is distance, where it is known: the emulated part."""
    rtt_ns = axes.get("rtt_ns")
    if not isinstance(rtt_ns, int) or not rtt_ns:
        return ""
    return f", {format_duration(rtt_ns)} of it the network's (emulated)"


def _rules(evidence: Evidence) -> Iterable[Block]:
    rules = evidence.get("rules", [])
    if rules:
        yield Heading(text="What rules of thumb would have said")
        yield Table(
            columns=(
                Column(title="rule", align=Align.LEFT),
                Column(title="connections"),
                Column(title="what it would cost", align=Align.LEFT, wraps=True),
            ),
            rows=tuple(
                (
                    Cell(rule["name"]),
                    Cell(str(rule["max_connections"])),
                    Cell(_cost(rule, evidence)),
                )
                for rule in rules
            ),
        )


def _cost(rule: Evidence, evidence: Evidence) -> str:
    """Say what following a rule costs: by a trial of that very size, if there was one."""
    if not rule["extra"]:
        return "nothing: it is the same"
    if rule["extra"] > 0:
        return f"{plural(rule['extra'], 'connection')} that {are(rule['extra'])} never needed"
    policies = {evidence.get("pool"), *(each.get("pool") for each in evidence["walk"])}
    raises = Pool.RAISING.value in policies
    cost = f"{_share(rule['waiting'])} of acquires would find none free and {_FATES[raises]}"
    size = rule["max_connections"]
    tried = next((each for each in evidence["walk"] if each["max_connections"] == size), None)
    if tried is None or not tried.get("failed"):
        return cost
    return f"{cost}; tried, {tried['failed']['said']}"


def _growth(evidence: Evidence, size: int) -> Iterable[Block]:
    grown = evidence.get("growth", [])
    rates = evidence["base"].get("throughput") or []
    if not grown:
        return
    trusted = all(each["trusted"] for each in grown)
    yield Heading(text="If the load grows")
    yield Table(
        columns=(
            Column(title="load", align=Align.LEFT),
            Column(title="commands"),
            Column(title="connections"),
            Column(title="", align=Align.LEFT),
        ),
        rows=(
            (Cell("as now"), Cell(_middle(rates, format_rate)), Cell(str(size)), Cell("")),
            *(
                (
                    Cell(f"{each['factor']:g} times"),
                    Cell(_middle([each["factor"] * rate for rate in rates], format_rate)),
                    Cell(str(each["max_connections"])),
                    Cell("estimated" if each["trusted"] else "at least; measure it"),
                )
                for each in grown
            ),
        ),
        notes=tuple(map(Note, _growth_words(evidence, size, trusted=trusted))),
    )


def _growth_words(evidence: Evidence, size: int, *, trusted: bool) -> Iterable[str]:
    yield (
        "So many times the commands in every process, by more handlers or by busier ones; none of"
        " these was tried."
    )
    yield (
        f"Each adds to today's {size} what will be in use more than today, at 99.9 % of the"
        " acquires; connections in use were counted in the runs of the base."
    )
    if evidence.get("slo"):
        slo = ", ".join(evidence["slo"])
        yield f"Whether {slo} is kept then was not looked at: search again with the larger load."
    if not trusted:
        yield (
            "At least: with the client's CPU busier than 70 %, or more than twice the load, such"
            " estimates were not found to hold."
        )


def _certificates(evidence: Evidence) -> Iterable[Block]:
    rows = [
        (
            Cell(str(each["max_connections"])),
            Cell(str(each["pairs"])),
            Cell(clause["claim"]),
            Cell(f"{clause['low']:.3f} – {clause['high']:.3f}" if clause["high"] else "–"),
            Cell(clause["conclusion"], Tone.GOOD if clause["conclusion"] == "holds" else Tone.BAD),
        )
        for each in evidence.get("certificates", [])
        for clause in each["clauses"]
    ]
    if rows:
        yield Heading(text="Certificate")
        yield Table(
            columns=(
                Column(title="connections", align=Align.LEFT),
                Column(title="pairs"),
                Column(title="claim", align=Align.LEFT, wraps=True),
                Column(title="lies between"),
                Column(title="", align=Align.LEFT),
            ),
            rows=tuple(rows),
            notes=(
                Note(
                    "Fresh pairs, looked at after 4, 6, 9 and 12; each bound is one-sided and wrong"
                    " in at most 0.6 % of cases, so that all looks together are in at most 5 %."
                ),
            ),
        )


def _warnings(run: RunFile) -> Iterable[Block]:
    """Show what limits the numbers of the base, by which every other size was judged."""
    bases = {None, *(each.evidence.get("case") for each in run.recommendations)}
    telling = [each for each in run.warnings if each.case in bases]
    kept = run.model_copy(update={"warnings": telling})
    callouts = list(warning_callouts(kept, labels(run.cases)))
    if callouts:
        yield Heading(text="What to bear in mind")
        yield from callouts


def _closing(path: str | None) -> Iterable[Block]:
    if path is not None:
        yield KeyValues(pairs=(("result", path),))


def _share(share: float) -> str:
    return f"{100 * share:.2g} %" if share else "none"
