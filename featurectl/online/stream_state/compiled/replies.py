"""The replies of a Redis are found in the memory in which they came, by a compiled loop: no object is made of them."""

from __future__ import annotations

from typing import Any, Final

import numba

from featurectl.online.stream_state.compiled.inner import inner
from featurectl.online.stream_state.compiled.shapes import (
    FULL,
    HAS_NULLS,
    IS_LIST,
    IS_NULL,
    IS_VALUE,
    MORE,
    UNUSUAL,
    WHOLE,
)

_LIST, _VALUE, _NULL, _MINUS = ord("*"), ord("$"), ord("_"), ord("-")
_RETURN, _NEWLINE, _ZERO = 13, 10, 48
_LONGEST: Final = 12  # digits of a length


@numba.njit(nogil=True, cache=True)
def scan_replies(data: Any, filled: Any, state: Any, replies: Any, begins: Any, ends: Any) -> Any:
    """Find the replies in so much of `data`, from where `state` stands; return how it stands then.

    `MORE` has to come; `WHOLE`: all replies are there, and nothing else; `FULL`: there are more elements than places;
    `UNUSUAL`: a reply is no value and no list of values, or there are too many. A row of `replies` has what a reply is,
    its first element, the one behind its last, and their bytes unless there are nulls; `begins` and `ends` the places
    of elements, -1 of a null; `state` the place behind what was found, its replies and elements, and those to come.
    """
    while state[1] < len(replies):
        at, reply, element, left = state[0], state[1], state[2], state[3]
        line_end = end_of_line(data, at, filled)
        if line_end < 0:
            return MORE if line_end == -1 else UNUSUAL
        form, size = data[at], length_of(data, at + 1, line_end)
        if form == _LIST and left == 0 and size >= 0:
            replies[reply, 0], replies[reply, 1], replies[reply, 2] = IS_LIST, element, element + size
            state[0], state[1], state[3] = line_end + 2, reply + (size == 0), size
            continue
        is_null = (form == _NULL and line_end == at + 1) or (form == _VALUE and size == -1)
        if not is_null and (form != _VALUE or size < 0):
            return UNUSUAL
        begin, stop, behind = line_end + 2, line_end + 2 + size, line_end + 4 + size
        if is_null:
            begin, stop, behind = -1, -1, line_end + 2
        elif behind > filled:
            return MORE
        elif data[stop] != _RETURN or data[stop + 1] != _NEWLINE:
            return UNUSUAL
        if element == len(begins):
            return FULL
        begins[element], ends[element] = begin, stop
        if left == 0:
            replies[reply, 0], replies[reply, 1] = IS_NULL if is_null else IS_VALUE, element
            replies[reply, 2] = element + 1
        elif is_null:
            replies[reply, 0] = HAS_NULLS
        if left <= 1 and not is_null:
            replies[reply, 3] = stop - begins[replies[reply, 1]]
        state[0], state[1], state[2], state[3] = behind, reply + (left <= 1), element + 1, max(left - 1, 0)
    return WHOLE if state[0] == filled else UNUSUAL


@inner
def end_of_line(data: Any, at: Any, filled: Any) -> Any:
    """Return where a line ends that says how long something is; -1: it is not there yet, -2: it is too long."""
    last = at + _LONGEST + 2
    for place in range(at + 1, min(filled, last)):
        if data[place] == _RETURN:
            if place + 1 >= filled:
                return -1
            return place if data[place + 1] == _NEWLINE else -2
    return -1 if filled < last else -2


@inner
def length_of(data: Any, at: Any, stop: Any) -> Any:
    """Return a length; -1 where there is nothing that would have one, -2: it is none."""
    if stop - at == 2 and data[at] == _MINUS and data[at + 1] == _ZERO + 1:
        return -1
    size = 0
    for place in range(at, stop):
        if data[place] < _ZERO or data[place] > _ZERO + 9:
            return -2
        size = 10 * size + data[place] - _ZERO
    return size if stop > at else -2
