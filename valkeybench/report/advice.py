"""What to make of a run: warnings and recommended sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Callout, Kind
from valkeybench.report.labels import axis_label, distance_label, varied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.results.runfile import Recommendation, RunFile, RunWarning

_BASES = {
    "estimated": "Estimated, not verified: it follows from how many connections were in use, "
    "and this size itself was not tried.",
    "measured": "Measured: this size was run, and was enough.",
    "certified": "Certified: fresh runs in pairs bound how much worse this size can be.",
}

_MOST_ALIKE = 2
"""Remedies for the same trouble that are shown apart; of more, the first one stands for all."""

_MOST_PLACES = 4
"""Cases named in a warning that is about many."""


def warning_callouts(run: RunFile, names: Mapping[str, str]) -> Iterable[Callout]:
    """Show each warning, in the run's order; cases with the same trouble share one."""
    by_code: dict[str, dict[str, list[RunWarning]]] = {}
    for warning in run.warnings:
        by_code.setdefault(warning.code, {}).setdefault(warning.remedy, []).append(warning)
    for by_remedy in by_code.values():
        if len(by_remedy) <= _MOST_ALIKE:
            yield from (_warning(alike, names) for alike in by_remedy.values())
        else:
            yield _warning([w for alike in by_remedy.values() for w in alike], names)


def _warning(alike: Sequence[RunWarning], names: Mapping[str, str]) -> Callout:
    """Show warnings of one code: where, the first one's words, and that the others are alike."""
    first = alike[0]
    places = list(dict.fromkeys(names.get(w.case, w.case) for w in alike if w.case is not None))
    title = f"Warning: {first.code.replace('_', ' ').replace('-', ' ')}"
    if places:
        between = "; " if any(", " in place for place in places) else ", "
        title += f" ({between.join(places[:_MOST_PLACES])}"
        title += f" and {len(places) - _MOST_PLACES} more)" if len(places) > _MOST_PLACES else ")"
    text = sentence(first.message)
    if places and len({warning.message for warning in alike}) > 1:
        text = f"{places[0]}: {first.message}. The others are like it."
    return Callout(kind=Kind.WARNING, title=title, text=text, remedy=sentence(first.remedy))


def recommendation_callouts(recommendations: Sequence[Recommendation]) -> Iterable[Callout]:
    """Show each recommended size, or why there is none; never without an emulated distance."""
    names = varied([each.applies_to for each in recommendations])
    if "rtt_ns" not in names and distance_label(each.applies_to for each in recommendations):
        names.append("rtt_ns")
    for each in recommendations:
        words = [axis_label(name, each.applies_to.get(name)) for name in names]
        yield _recommendation(each, f" ({', '.join(words)})" if words else "")


def _recommendation(each: Recommendation, where: str) -> Callout:
    if each.verdict == "no_size" or each.max_connections is None:
        remedy = each.evidence.get("remedy")
        return Callout(
            kind=Kind.BAD,
            title=f"No pool size can be recommended{where}",
            text=sentence(each.reason.removeprefix("No size: ")),
            remedy=sentence(remedy) if isinstance(remedy, str) else "",
        )
    title = f"Recommended, {each.basis}: max_connections = {each.max_connections}"
    if each.minimum is not None and each.minimum != each.max_connections:
        title += f", at least {each.minimum}"
    text = sentence(each.reason)
    if each.basis not in text.lower():
        text += f" {_BASES[each.basis]}"
    return Callout(kind=Kind.GOOD, title=f"{title}{where}", text=text)


def sentence(words: str) -> str:
    """Begin words with a capital, unless they begin with a name, and end them with a full stop."""
    begin = words.partition(" ")[0]
    if begin.isalpha():
        words = words[:1].upper() + words[1:]
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."
