"""What handlers send: seeded draws from the scenario's templates.

A driver takes its requests from here. A request is a tuple of words, which is one command,
or a `Batch`, which is several in one round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain, cycle, islice, repeat
from math import ceil
from random import Random
from typing import TYPE_CHECKING, TypeVar

from valkeybench.plan.values import value_pool
from valkeybench.scenario.template import Together, parse_template
from valkeybench.scenario.word import Numbers, Order, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from valkeybench.scenario.template import Command, Template
    from valkeybench.scenario.values import Values
    from valkeybench.scenario.word import Word

T = TypeVar("T")

TABLE_SIZE = 1 << 13
"""Commands drawn ahead for each load process; handlers walk them from different places."""

_FEWEST_REQUESTS, _MOST_REQUESTS = 1 << 8, 1 << 18


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands sent at once and answered at once: a pipeline, or a transaction."""

    commands: tuple[tuple[str, ...], ...]
    transaction: bool


Request = tuple[str, ...] | Batch


def command_table(
    texts: tuple[str, ...], *, seed: str, prefix: str, value_size: int | Values
) -> list[Request]:
    """Draw the requests a load process sends, weighted and repeatable by seed."""
    templates = [parse_template(text) for text in texts]
    drawing = _Drawing(seed, prefix, value_size)
    makers = [drawing.request(template) for template in templates]
    weights = [template.weight for template in templates]
    chosen = drawing.draw.choices(makers, weights, k=table_size(templates))
    return [make() for make in chosen]


def has_batches(texts: tuple[str, ...]) -> bool:
    """Tell whether any request can be a batch."""
    return any(parse_template(text).together for text in texts)


def walk(table: Sequence[T], first: int) -> Iterator[T]:
    """Walk a table round and round, from somewhere in it.

    Nobody who does so walks there first or keeps a copy: there may be ten thousand.
    """
    begun = map(table.__getitem__, range(first, len(table)))
    return chain(begun, chain.from_iterable(repeat(table)))


def table_size(templates: Sequence[Template]) -> int:
    """Give how many requests to draw ahead.

    Batches make the table shorter, as it holds every command. A sequence makes it as long
    as a whole number of passes takes, on average where there are several templates.
    """
    total = sum(template.weight for template in templates)
    shares = [template.weight / total for template in templates]
    length = sum(
        share * len(template.commands) for share, template in zip(shares, templates, strict=True)
    )
    wanted = max(ceil(TABLE_SIZE / length), _FEWEST_REQUESTS)
    once = max(
        (
            ceil(numbers.count / share)
            for share, template in zip(shares, templates, strict=True)
            for command in template.distinct
            for word in command.words
            for numbers in word.numbers
            if numbers.order is Order.SEQUENCE
        ),
        default=1,
    )
    return min(ceil(wanted / once) * once, _MOST_REQUESTS)


class _Drawing:
    """Turns templates into functions that each draw one request.

    A sequence counts for itself wherever one is written, and begins somewhere, so that
    load processes do not march in step.
    """

    def __init__(self, seed: str, prefix: str, value_size: int | Values) -> None:
        self.draw = Random(seed)  # noqa: S311 - load, not cryptography
        self._prefix = prefix
        self._values = value_pool(value_size, self.draw)

    def request(self, template: Template) -> Callable[[], Request]:
        """Make the function that draws one request of a template."""
        once = {command: self._command(command) for command in template.distinct}
        makers = [once[command] for command in template.commands]
        if template.together is None:
            return makers[0]
        transaction = template.together is Together.MULTI
        return lambda: Batch(tuple(make() for make in makers), transaction)

    def _command(self, command: Command) -> Callable[[], tuple[str, ...]]:
        words = [
            self._word(word, self._prefix if index in command.key_words else "")
            for index, word in enumerate(command.words)
        ]
        return lambda: tuple(draw() for draw in words)

    def _word(self, word: Word, prefix: str) -> Callable[[], str]:
        literal = word.literal
        if literal is not None:
            text = prefix + literal
            return lambda: text
        pieces = [self._piece(piece) for piece in word.pieces]
        return lambda: prefix + "".join([draw() for draw in pieces])

    def _piece(self, piece: str | Numbers | Value) -> Callable[[], str]:
        draw = self.draw
        match piece:
            case str():
                return lambda: piece
            case Value():
                return lambda: draw.choice(self._values)
        first, last = piece.first, piece.last
        if piece.order is Order.SEQUENCE:
            walk = _sequence(piece, begin=draw.randrange(piece.count))
            return lambda: str(next(walk))
        if piece.order is Order.UNIFORM:
            return lambda: str(draw.randint(first, last))
        numbers, weights = range(first, last + 1), zipf_weights(piece.count, piece.exponent)
        return lambda: str(draw.choices(numbers, cum_weights=weights)[0])


def zipf_weights(count: int, exponent: float) -> list[float]:
    """Add up Zipf's law: the k-th of `count` numbers weighs 1 / k ** exponent."""
    return list(accumulate(rank**-exponent for rank in range(1, count + 1)))


def _sequence(numbers: Numbers, *, begin: int) -> Iterator[int]:
    return islice(cycle(range(numbers.first, numbers.last + 1)), begin, None)
