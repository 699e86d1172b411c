"""The compiled loops over lists, for tests of several processes: one compiles them, and the others read what it kept.

That takes twenty seconds, once where the package lies. `python -m tests.online.stream_state.compiled_loops` does it
before tests ask for them.
"""

from __future__ import annotations

import fcntl
from functools import cache
from pathlib import Path

from featurectl.online.stream_state.compiled import loading
from featurectl.online.stream_state.compiled.loading import load_loops
from featurectl.online.stream_state.compiled.reader import Loops


@cache
def shared_loops() -> Loops:
    """Return the loops; who comes while another process compiles them waits until it has kept them."""
    with Path(loading.__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        loops = load_loops()
    assert isinstance(loops, Loops), loops
    return loops


if __name__ == "__main__":
    shared_loops()
