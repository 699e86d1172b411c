"""How the loops are compiled that are called by those that Python calls.

Numba keeps what it has compiled until the file of a loop changes: who changes this changes those files, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba

_Loop = TypeVar("_Loop", bound=Callable[..., Any])
# They make no arrays, so that nobody has to count who holds one. To count takes longer than what they do.
_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "_nrt": False, "error_model": "numpy"}


def inner(loop: _Loop) -> _Loop:
    """Return a loop that is compiled, and makes no arrays but views of those that it is given."""
    return cast("_Loop", numba.njit(**_OPTIONS)(loop))
