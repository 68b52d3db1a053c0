"""What sizes of values may look like: one, a range, and the words before it."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from valkeybench.scenario.kinds import Kind, UnfitError, size
from valkeybench.scenario.values import Content, Spread, Values
from valkeybench.scenario.wording import did_you_mean, legible

LARGEST_OF_RANGE = 4 * 2**20


def values() -> Kind:
    """Take what values are like: a size, or a range of sizes, with words before it.

    `lognormal` and `random` in front say how sizes scatter and what values consist of.
    """
    one = size()
    spreads, contents = ([word.value for word in words] for words in (Spread, Content))
    remedy = "write 64, 100..4KiB, 'lognormal 100..4KiB' or 'random 1KiB'"

    def convert(value: object) -> int | Values:
        if not isinstance(value, str) or not (".." in value or value.lstrip()[:1].isalpha()):
            return one.convert(value)  # type: ignore[no-any-return]  # a Kind converts to anything
        words = list(takewhile(str.isalpha, value.split()))
        ends = " ".join(value.split()[len(words) :]).split("..")
        for word in words:
            if word not in (*spreads, *contents):
                raise UnfitError(
                    f"'{legible(word)}' says nothing of values",
                    did_you_mean(word, [*spreads, *contents]),
                )
        if len(ends) > 2 or any(len({*words} & {*kind}) > 1 for kind in (spreads, contents)):  # noqa: PLR2004 - from and to
            raise UnfitError(f"'{legible(value)}' is no size", remedy)
        if ends == [""]:
            raise UnfitError(f"'{legible(value)}' names no size", remedy)
        least, most = one.convert(ends[0]), one.convert(ends[-1])
        spread = next((Spread(word) for word in words if word in spreads), Spread.UNIFORM)
        content = next((Content(word) for word in words if word in contents), Content.REPEATED)
        return _checked(Values(least, most, spread, content), value, remedy)

    schema = {"type": ["string", "integer"], "examples": [64, "1KiB", "lognormal 100..4KiB"]}
    return Kind("SIZE", convert, schema)


def _checked(values: Values, written: str, remedy: str) -> int | Values:
    """Refuse ranges of sizes that cannot be drawn; give what is only a size as a number."""
    if values.least > values.most:
        raise UnfitError(f"'{legible(written)}' counts backwards", "write the smaller size first")
    if values.spread is Spread.LOGNORMAL and not values.least:
        raise UnfitError("no lognormal size is 0", "begin at 1 or more")
    if values.least == values.most:
        values = replace(values, spread=Spread.UNIFORM)
        if values.content is Content.REPEATED:
            return values.most
    elif values.most > LARGEST_OF_RANGE:
        raise UnfitError(
            f"a range of sizes ends at {LARGEST_OF_RANGE} bytes at most", f"use less; {remedy}"
        )
    return values
