"""When lists are read by compiled loops: in a server with the extra `fast`, once it has read many of them.

To import numba and what it has compiled takes most of a second, and 100 MB. A command that reads some lists, or a
server that is asked for few at once, is better off without.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Final

import numpy as np

from featurectl.core.memory import free_memory
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.compiled.reader import CompiledReader, Loops, shape_of
from featurectl.online.stream_state.compiled.shapes import COLUMNS, IS_LIST, IS_NULL, WHOLE, ReadElements, ReadRows
from featurectl.online.stream_state.joined_lists import open_list
from featurectl.online.stream_state.joined_values import JoinedReader
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.received_lists import PADDING, elements_in
from featurectl.online.stream_state.record import EventRecord, pack_record
from featurectl.pit.arrays import running_total

PAYS: Final = 20_000  # lists that were read without the loops: then these save as long as it takes to load them
NEEDS: Final = 600 << 20  # bytes, to compile the loops and to have them, with some to spare
THREAD: Final = "compiled lists"
_LENGTHS: Final = (*range(1, 300), 1_000, 1_001, 4_096, 9_999)
_LAYOUT: Final = ListLayout(kind="event", inputs={"of": "float64"}, span_us=1_000)


class LoadedLoops:
    """The loops of this process: None while it has none. `loops` is set once, by a thread beside those that read."""

    def __init__(self) -> None:
        self.loops: Loops | None = None
        self._read = 0
        self._report: Callable[[str], None] | None = None
        self._words: Sequence[str] = ()
        self._needs = NEEDS
        self._compiler: subprocess.Popen[str] | None = None
        self._has_ended = False

    def allow(self, report: Callable[[str], None], words: Sequence[str], processes: int = 1) -> None:
        """Have the loops loaded once so many lists were read that it pays, where the extra `fast` is installed.

        Python, started with `words`, compiles them; so many `processes` may do so at once. `report` hears then, in
        another thread, why they can't be used, "" where they are.
        """
        if find_spec("numba") is not None and sys.byteorder == "little":
            self._report, self._words, self._needs = report, words, NEEDS * processes
            self._read, self._has_ended = 0, False

    def see(self, lists: int) -> None:
        """Take note of lists that are read without the loops."""
        self._read += lists
        if self._read >= PAYS and (report := self._report) is not None:
            self._report = None
            threading.Thread(target=self._load, args=(report,), name=THREAD, daemon=True).start()

    def end(self) -> None:
        """End what is being compiled, as the process ends."""
        self._report, self._has_ended = None, True
        if (compiler := self._compiler) is not None:
            compiler.kill()

    def _load(self, report: Callable[[str], None]) -> None:
        """Load the loops. They are compiled by another process, where that was not done, as they would hold up all."""
        problem = self._compile() if free_memory() >= self._needs else f"{self._needs >> 20} MB of memory are not free"
        loops = load_loops() if not problem and not self._has_ended else problem
        if isinstance(loops, Loops):
            self.loops = loops
        if not self._has_ended:
            report("" if isinstance(loops, Loops) else loops)

    def _compile(self) -> str:
        """Have another process compile the loops; return why it has failed, "" where it has not."""
        command = [sys.executable or "", *self._words]
        try:
            self._compiler = subprocess.Popen(  # noqa: S603 (this Python, and words of ours)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            return f"no process can be started that compiles them: {error}"
        if self._has_ended:
            self._compiler.kill()
        _, said = self._compiler.communicate()
        return "" if self._compiler.returncode == 0 else (said.strip().splitlines() or ["it was ended"])[-1]


LOADED: Final = LoadedLoops()


def load_loops() -> Loops | str:
    """Return the loops, or why they can't be used: as long as they have not shown that they add as numpy does.

    It takes most of a second, and some ten where they were not compiled before.
    """
    try:
        from featurectl.online.stream_state.compiled.elements import read_elements
        from featurectl.online.stream_state.compiled.replies import scan_replies
        from featurectl.online.stream_state.compiled.rows import read_rows
        from featurectl.online.stream_state.compiled.windows import read_windows

        loops = Loops(read_elements, read_rows, read_windows, scan_replies)
        return adds_otherwise(loops) or reads_otherwise(loops) or finds_otherwise(loops) or loops
    except Exception as error:  # noqa: BLE001 (it finds no folder for what it compiles, or another numpy than it knows)
        return f"numba can't be used: {error}"


def adds_otherwise(loops: Loops) -> str:
    """Return why sums differ from those of this numpy, "" where they do not."""
    counts = np.array(_LENGTHS)
    lists, rows, begins = len(counts), int(counts.sum()), running_total(counts)
    values, there = np.random.default_rng(1).uniform(-1, 1, rows), np.ones(rows, np.bool_)
    shape = shape_of(_features("sum"), _LAYOUT)
    none, parts = np.zeros(lists, np.int64), np.zeros((lists, COLUMNS + 2), np.int64)
    elements = ReadElements(
        there[:lists].copy(), np.zeros(lists, np.bool_), parts, none, np.zeros((0, 4), np.int64),
        none[:0], there[:0],
    )  # fmt: skip
    times = np.zeros(rows, np.int64)
    is_full, records = np.ones((1, lists), np.bool_), np.zeros((3, 0), np.int64)
    found = loops.windows(
        shape, 1, elements, ReadRows(begins[:-1], counts, times, values.view(np.int64), there, is_full, records)
    )
    sums = found.values[0].view(np.float64)
    for length, begin, total in zip(counts, begins, sums, strict=False):
        if total != values[begin : begin + length].sum():
            return f"numba adds {length} values otherwise than numpy {np.__version__}"
    return ""


def reads_otherwise(loops: Loops) -> str:
    """Return why a list is read otherwise than by this numpy, "" where it is not."""
    features = _features("sum", "mean", "min", "max", "var", "first", "last")
    records = [EventRecord(0, i, i * i, 100 + i, 0, (), (1 / (i + 1),)) for i in range(40)]
    elements = [pack_record(record, _LAYOUT) for record in records]
    compacted = compact(elements[:20], _LAYOUT, AppliedInstants(applied_us={0: 119}, asof_us=119, clock_us=119))
    found = EntityList([compacted.head, *compacted.left, *elements[20:]], None)
    opened = open_list(found, _LAYOUT)
    wanted = None if opened is None else JoinedReader(features, _LAYOUT).answers([opened], 1_000)
    if wanted is None or CompiledReader(features, _LAYOUT, loops).answers([found], 1_000) != wanted:
        return f"numba reads a list otherwise than numpy {np.__version__}"
    return ""


def finds_otherwise(loops: Loops) -> str:
    """Return why replies are not found where they are, "" where they are."""
    sent, state, replies = b"*2\r\n$2\r\nab\r\n$0\r\n\r\n$-1\r\n", np.zeros(4, np.int64), np.zeros((2, 4), np.int64)
    begins, ends = np.zeros(3, np.int64), np.zeros(3, np.int64)
    stands = loops.replies(elements_in(sent + PADDING, begins, ends).octets, len(sent), state, replies, begins, ends)
    found = stands, replies.tolist(), begins.tolist(), ends.tolist()
    if found != (WHOLE, [[IS_LIST, 0, 2, 8], [IS_NULL, 2, 3, 0]], [8, 16, -1], [10, 16, -1]):
        return "numba finds replies where they are not"
    return ""


def _features(*ops: str) -> list[Feature]:
    return [Feature(name=op, op=op, column="of", dtype="float64", window_us=_LAYOUT.span_us) for op in ops]
