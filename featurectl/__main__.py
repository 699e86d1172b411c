"""The command: what `featurectl` and `python -m featurectl` run."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def run() -> None:
    """Run the process's command line; Ctrl-C while it is loaded ends it as Ctrl-C later does."""
    try:
        from featurectl.cli.main import entry

        entry()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
