"""Whether a disk is full: what its libraries say of that, and what is to be done."""

from __future__ import annotations

import errno
import os
import re
from typing import Final

FULL_HINT: Final = "make room on the disk, then run it again: what was not written whole was not written at all"
_FULL_CODES: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_TEXTS: Final = tuple(os.strerror(code) for code in _FULL_CODES)
_FULL: Final = re.compile("|".join(map(re.escape, _FULL_TEXTS)), re.IGNORECASE)


def is_full(error: BaseException) -> bool:
    """Return whether a failure is that there is no room: on the disk, in the user's share of it, in a file.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(OSError(errno.EACCES, "Permission denied"))
    (True, False)
    """
    return getattr(error, "errno", None) in _FULL_CODES or _FULL.search(str(error)) is not None


def hint_of(error: BaseException) -> str:
    """Return what helps against a full disk; empty for another failure."""
    return FULL_HINT if is_full(error) else ""
