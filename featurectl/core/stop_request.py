"""What a handler of a signal sets, and what works for long looks at."""

from __future__ import annotations

import time
from typing import Final

_LOOK_S: Final = 0.1


class StopRequest:
    """Set when a command is to stop; `is_interrupt` where somebody has pressed Ctrl-C.

    It has no lock, as `threading.Event` has: where a signal comes while the main thread holds that, its handler would
    wait for it for ever.
    """

    is_interrupt = False

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Have the command stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether it is to stop."""
        return self._is_set

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds, a tenth of one more than until it is set at most; return whether it is to stop."""
        end = time.monotonic() + timeout
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))  # a signal does not end it
        return self._is_set
