"""Makes `python -m valkeybench` the same as the `valkeybench` command."""

from __future__ import annotations

from valkeybench.cli.app import main

if __name__ == "__main__":
    main()
