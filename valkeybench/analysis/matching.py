"""Which cases stand against which: of two runs by their axes, of one run along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord

    Axes = Mapping[str, object]


_NONE_IS_NOT = frozenset({"disturb"})
"""Axes of which none is a value like any other: that nothing was done. So is not to know them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Two cases side by side."""

    base: CaseRecord
    new: CaseRecord
    is_paired: bool
    """Whether their trials took turns, in one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """The pairs of cases, and the cases nothing stands against."""

    pairs: tuple[Matched, ...]
    only_base: tuple[CaseRecord, ...] = ()
    only_new: tuple[CaseRecord, ...] = ()


def match_runs(
    base: Sequence[CaseRecord], new: Sequence[CaseRecord], *, by: Collection[str] = ()
) -> Matching:
    """Match cases of two runs that agree on all axes, but those named in `by`.

    Raises ResultError when none agree, or one could stand against several.
    """
    pairs: list[Matched] = []
    for case in new:
        partners = [other for other in base if agree(other.axes, case.axes, by)]
        exact = [other for other in partners if other.axes == case.axes]
        partners = exact[:1] if exact else partners
        if len(partners) > 1:
            raise ResultError(
                f"{len(partners)} cases of the base could stand against {case.id}: "
                + ", ".join(other.id for other in partners),
                remedy="name fewer axes with --by",
            )
        pairs += (Matched(base=other, new=case, is_paired=False) for other in partners)
    if not pairs:
        raise _nothing_matches(base, new)
    matched = {id(each) for pair in pairs for each in (pair.base, pair.new)}
    return Matching(
        pairs=tuple(pairs),
        only_base=tuple(case for case in base if id(case) not in matched),
        only_new=tuple(case for case in new if id(case) not in matched),
    )


def match_within(cases: Sequence[CaseRecord], *, by: Collection[str]) -> Matching:
    """Match the cases of one run that differ in nothing but the axes named in `by`.

    The first of each such group is the base of the others. Raises ResultError when there is
    no such group.
    """
    groups: list[list[CaseRecord]] = []
    for case in cases:
        home = next((group for group in groups if agree(group[0].axes, case.axes, by)), None)
        if home is None:
            groups.append([case])
        else:
            home.append(case)
    pairs = [
        Matched(base=first, new=other, is_paired=True)
        for first, *others in groups
        for other in others
    ]
    if not pairs:
        varied = sorted({name for case in cases for name in case.axes} - set(by))
        apart = [
            name
            for name in varied
            if len({repr(c.axes.get(name)) for c in cases} - {repr(None)}) > 1
        ]
        raise ResultError(
            f"no two cases differ in {', '.join(by)} alone",
            remedy=f"this run varies {', '.join(apart)}"
            if apart
            else "this run has nothing to compare: vary an axis, or name two runs",
        )
    return Matching(pairs=tuple(pairs), only_base=tuple(g[0] for g in groups if len(g) == 1))


def agree(one: Axes, other: Axes, by: Collection[str]) -> bool:
    """Tell whether two cases agree on all axes both know, those in `by` not looked at.

    With `by`, what means nothing for one of them (a pool's size, without a pool) does not set
    them apart: it follows from an axis that was named.
    """
    known = one.keys() & other.keys()
    return all(one.get(name) == other.get(name) for name in _NONE_IS_NOT - set(by)) and all(
        one[name] == other[name] or (by and None in (one[name], other[name]))
        for name in known - set(by) - _NONE_IS_NOT
    )


def _nothing_matches(base: Sequence[CaseRecord], new: Sequence[CaseRecord]) -> ResultError:
    """Say by what the two nearest cases miss each other."""
    if not base or not new:
        return ResultError("one of the runs has no cases", remedy="measure it again")
    apart = min(
        (_apart(one.axes, other.axes) for one in base for other in new),
        key=len,
    )
    said = "; ".join(f"{name} is {one} and {other}" for name, one, other in apart)
    return ResultError(
        f"no case of one run is in the other: {said}",
        remedy=f"measure the same case twice, or compare along that axis: --by {apart[0][0]}",
    )


def _apart(one: Axes, other: Axes) -> list[tuple[str, object, object]]:
    return [
        (name, one.get(name), other.get(name))
        for name in sorted((one.keys() & other.keys()) | _NONE_IS_NOT)
        if one.get(name) != other.get(name)
    ]
