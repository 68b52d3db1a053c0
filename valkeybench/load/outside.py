"""What is known of a command whose connection only the client sees."""

from __future__ import annotations


class OutsideView:
    """What a lease says of a command that is seen from outside: nothing but what batches add.

    `held` stays 0, which stands for when the handler began, and `replied` for when it was done.
    """

    __slots__ = ("commands", "held", "opened", "replied", "seen")

    def __init__(self) -> None:
        self.held = self.replied = self.seen = 0
        self.commands = 1
        self.opened = False
