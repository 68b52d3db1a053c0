"""Makes `python -m valkeybench` the same as the `valkeybench` command: where both begin."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command has begun there is nothing to end well, and a traceback says nothing.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from valkeybench.cli.app import main as run  # noqa: PLC0415 - after that

    run()


if __name__ == "__main__":
    main()
