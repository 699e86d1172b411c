"""A server loads compiled loops once it has read many lists, beside what it answers meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numba
import pytest
from numba.cpython.unsafe import numbers

from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state import known_answers
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compiled import loading
from featurectl.online.stream_state.compiled.loading import LoadedLoops, load_loops
from featurectl.online.stream_state.compiled.reader import Loops
from featurectl.online.stream_state.layout import ListLayout, layout_of
from featurectl.online.stream_state.list_columns import ListColumns
from featurectl.online.stream_state.many_lists import ManyLists
from featurectl.online.stream_state.received_lists import kept_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from featurectl.serving.compile_lists import COMPILER
from tests.online.stream_state.events import BEGIN, SECOND, view_of

WAIT_S = 120.0


@pytest.fixture(scope="module", autouse=True)
def compiled(loops: Loops) -> Loops:
    """What other processes read from then on: to compile it they would take long beside other tests."""
    return loops


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadedLoops]:
    monkeypatch.setattr(loading, "PAYS", 100)
    found = LoadedLoops()
    yield found
    found.end()


class Reports:
    """What is reported of loops, in whatever thread."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.has_come = threading.Event()

    def __call__(self, problem: str) -> None:
        self.said.append(problem)
        self.has_come.set()


def test_loops_are_loaded_once_it_pays(loaded: LoadedLoops):
    reports = Reports()
    loaded.allow(reports, COMPILER)
    loaded.see(99)
    assert not reports.has_come.wait(0.2)
    loaded.see(1)
    assert reports.has_come.wait(WAIT_S)
    assert reports.said == [""]
    assert loaded.loops is not None
    loaded.see(1_000)
    assert reports.said == [""]


def test_loops_are_not_loaded_where_memory_is_short(loaded: LoadedLoops, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "free_memory", lambda: 1_199 << 20)
    reports = Reports()
    loaded.allow(reports, COMPILER, processes=2)
    loaded.see(100)
    assert reports.has_come.wait(WAIT_S)
    assert reports.said == ["1200 MB of memory are not free"]
    assert loaded.loops is None


def test_nobody_loads_loops_who_is_not_allowed(loaded: LoadedLoops):
    before = {*threading.enumerate()}
    loaded.see(1_000)
    assert {*threading.enumerate()} == before
    assert loaded.loops is None


def test_loops_are_not_loaded_without_the_extra(loaded: LoadedLoops, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    before = {*threading.enumerate()}
    loaded.allow(Reports(), COMPILER)
    loaded.see(1_000)
    assert {*threading.enumerate()} == before


@pytest.mark.parametrize("lacks", ["trailing_zeros", "_nrt"])
def test_a_numba_that_lacks_what_loops_use_is_not_used(lacks: str, monkeypatch: pytest.MonkeyPatch):
    njit = numba.njit

    def other_njit(*of: Any, **options: Any) -> Any:
        options.pop("cache", None)
        return njit(*of, **{"unknown" if name == lacks else name: value for name, value in options.items()})

    for name in ("elements", "inner", "replies", "rows", "windows"):
        monkeypatch.delitem(sys.modules, f"{loading.__package__}.{name}")
    monkeypatch.setattr(numba, "njit", other_njit)
    if lacks != "_nrt":
        monkeypatch.delattr(numbers, lacks)
    loops = load_loops()
    assert isinstance(loops, str)
    assert loops.startswith("numba can't be used: ")
    assert lacks in loops or "unknown" in loops


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit('numba: no locator available')", "numba: no locator available"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended"),
        (r"import os; os.write(2, b'\xe9\nno room\n'); os._exit(3)", "no room"),  # which is no text
    ],
)
def test_a_compiler_that_fails_is_reported(loaded: LoadedLoops, program: str, reason: str):
    reports = Reports()
    loaded.allow(reports, ("-c", program))
    loaded.see(100)
    assert reports.has_come.wait(WAIT_S)
    assert reports.said == [reason]
    assert loaded.loops is None


@pytest.mark.parametrize("python", ["/no/such/python", "", None])
def test_a_compiler_that_can_not_be_started_is_reported(
    loaded: LoadedLoops, monkeypatch: pytest.MonkeyPatch, python: str | None
):
    monkeypatch.setattr(sys, "executable", python)
    reports = Reports()
    loaded.allow(reports, COMPILER)
    loaded.see(100)
    assert reports.has_come.wait(WAIT_S)
    assert reports.said[0].startswith("no process can be started that compiles them: ")


@pytest.mark.long
def test_a_compiler_takes_no_module_of_the_folder(loaded: LoadedLoops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("numba", "numpy", "featurectl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    reports = Reports()
    loaded.allow(reports, COMPILER)
    loaded.see(100)
    assert reports.has_come.wait(WAIT_S)
    assert reports.said == [""]


def test_a_compiler_ends_with_its_server(loaded: LoadedLoops, tmp_path: Path):
    mark = tmp_path / "begun"
    program = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    reports = Reports()
    loaded.allow(reports, ("-c", program))
    loaded.see(100)
    [thread] = [thread for thread in threading.enumerate() if thread.name == loading.THREAD]
    while not mark.exists():
        thread.join(0.01)
    loaded.end()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert reports.said == []


def test_loops_that_add_otherwise_are_not_used(loops: Loops):
    def windows(*of: Any) -> Any:
        found = loops.windows(*of)
        found.values[0, -1] += 1  # the last bit of a sum
        return found

    said = loading.adds_otherwise(loops._replace(windows=windows))
    assert said.startswith("numba adds 9999 values otherwise than numpy ")
    said = loading.reads_otherwise(loops._replace(windows=windows))
    assert said.startswith("numba reads a list otherwise than numpy ")


def test_loops_that_find_replies_elsewhere_are_not_used(loops: Loops):
    assert loading.finds_otherwise(loops) == ""
    assert loading.finds_otherwise(loops._replace(replies=lambda *_: 0)) == "numba finds replies where they are not"


def test_many_lists_are_read_by_loops_where_there_are_some(loops: Loops, monkeypatch: pytest.MonkeyPatch):
    feature = Feature(name="total", op="sum", column="amount", dtype="float64", window_us=600 * SECOND)
    view = view_of("event", [feature], Random(1), is_named=False)
    layout = layout_of(replace(view, source=replace(view.source, tiebreak=())))
    lists = []
    for i in range(20):
        values = tuple(0.1 * i if dtype == "float64" else None for dtype in layout.inputs.values())
        record = EventRecord(0, i, BEGIN - SECOND, BEGIN, 0, (), values)
        lists.append(EntityList(elements=[pack_record(record, layout)], marks=None))
    before = ManyLists([feature], layout).read(lists, BEGIN)
    called = list[int]()

    def windows(*of: Any) -> Any:
        called.append(1)
        return loops.windows(*of)

    monkeypatch.setattr(loading.LOADED, "loops", loops._replace(windows=windows))
    found = ManyLists([feature], layout).read(lists, BEGIN)
    assert isinstance(found, ListColumns)
    assert found.rows() == before
    assert called == [1]
    assert None not in before


def test_lists_that_are_known_come_beside_those_that_loops_read(loops: Loops, monkeypatch: pytest.MonkeyPatch):
    feature = Feature(name="total", op="sum", column="amount", dtype="float64", window_us=600 * SECOND)
    layout = ListLayout(kind="event", inputs={"amount": "float64"}, span_us=600 * SECOND)
    records = [EventRecord(0, i, BEGIN - SECOND, BEGIN, 0, (), (0.1 * i,)) for i in range(12)]
    lists = [EntityList(elements=[pack_record(record, layout)], marks=None) for record in records]
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(1 << 20))
    monkeypatch.setattr(loading.LOADED, "loops", loops)
    reader = ManyLists([feature], layout)
    for some in (lists[3:8], lists[3:8], lists[:0], lists, lists):
        before, found = known_answers.HELD.known, reader.read(some, BEGIN)
        rows = found.rows() if isinstance(found, ListColumns) else found
        assert [one and one.values for one in rows] == [[0.1 * lists.index(one)] for one in some]
    assert known_answers.HELD.known - before == 5


def test_what_lists_said_at_once_is_known_of_each_as_long_as_it_holds(loops: Loops, monkeypatch: pytest.MonkeyPatch):
    feature = Feature(name="total", op="sum", column="amount", dtype="float64", window_us=600 * SECOND)
    layout = ListLayout(kind="event", inputs={"amount": "float64"}, span_us=600 * SECOND)
    records = [EventRecord(0, i, BEGIN - (12 - i) * SECOND, BEGIN, 0, (), (0.1 * i,)) for i in range(12)]
    plain = [EntityList(elements=[pack_record(record, layout)], marks=None) for record in records]
    lists = [EntityList(kept_list(one.elements), None) if i % 2 else one for i, one in enumerate(plain)]
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(1 << 20))
    monkeypatch.setattr(loading.LOADED, "loops", loops)
    reader = ManyLists([feature], layout)
    reader.read(lists[::2], BEGIN)
    assert isinstance(reader.read(lists, BEGIN), ListColumns)  # half of them kept, half of them seen before
    for later in [*range(0, 580, 60), *range(585, 600)]:
        asof_us = BEGIN + later * SECOND
        wanted = ManyLists([feature], layout).read(plain, asof_us)
        rows = [
            wanted.rows() if isinstance(wanted, ListColumns) else wanted,
            reader.known.find_all(reader.known.names(lists), lists, asof_us),
        ]
        for number, (one, known) in enumerate(zip(*rows, strict=True)):
            assert one is not None
            leaves = BEGIN - (12 - number) * SECOND + 600 * SECOND
            assert (known is None) == (asof_us >= leaves)
            assert known is None or known[:2] == one[:2]


@pytest.mark.long
def test_loops_are_compiled_by_a_command():
    done = subprocess.run([sys.executable, *COMPILER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
