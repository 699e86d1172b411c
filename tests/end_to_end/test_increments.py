"""Materialize again: nothing to do when nothing is new, and any sequence of runs gives what one run gives."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.workspace.open import open_workspace
from tests.end_to_end.declared import read_views
from tests.end_to_end.flights import SOURCES, SPINE, quicken_training, write_some_flights
from tests.end_to_end.increments import add_files, blank_rows, late_rows, split_sources, tables_below
from tests.end_to_end.served import read_online

pytestmark = pytest.mark.long  # of weeks of flights

NOW = datetime(2014, 1, 1, 12, tzinfo=UTC)
FIRST, CUT, THIRD = (datetime(2013, *day, tzinfo=UTC) for day in ((11, 15, 21), (11, 27, 21, 7), (12, 6, 20)))  # type: ignore[misc]


def clocked_views(repository):
    return {name: view for name, view in read_views(repository.root).items() if view.source.name in SOURCES}


def entities_of(repository, view):
    """Return the keys of some flights, in the order of the view's entity."""
    ends = {"airport": "dest" if view.join.get("airport") == "dest" else "origin"}
    keys = repository.rows(SPINE).select(ends.get(key, key) for key in view.join).unique(maintain_order=True)
    return keys.head(200).rows()


def online_values(repository, at):
    """Return the online values of entities of the spine, by view."""
    with open_workspace(repository.root, None, at) as workspace:
        return {
            name: read_online(workspace, name, entities_of(repository, view), at)
            for name, view in read_views(repository.root).items()
        }


def test_a_second_run_reads_no_row_and_writes_no_table_version(flights, tmp_path):
    copy = flights.copy(tmp_path / "flights")
    before = tables_below(copy.root / ".featurectl" / "offline")
    for name in [*SOURCES, "planes", "airports"]:
        stamp = flights.data(name).stat().st_mtime_ns
        assert copy.data(name).stat().st_mtime_ns == stamp
        blank_rows(copy.data(name))
    made = copy.run("materialize")["views"]
    assert {(v["action"], v["rows_read"], v["rows_written"], v["table_version"]) for v in made} == {
        ("nothing", 0, 0, 0)
    }
    assert {v["online_rows_sent"] for v in made} == {0}
    assert tables_below(copy.root / ".featurectl" / "offline") == before
    # The rows are really gone: a run that reads them fails, and leaves the tables as they were.
    code, document, _ = copy.call("materialize", "--full")
    assert (code, document["result"]["error"]["code"]) == (1, "FC502")
    assert tables_below(copy.root / ".featurectl" / "offline") == before


def test_a_later_run_without_new_rows_pushes_the_windows_that_moved(flights, tmp_path):
    copy = flights.copy(tmp_path / "flights")
    before = tables_below(copy.root / ".featurectl" / "offline")
    later = NOW + timedelta(days=4)  # windows of 28 days lose what happened up to 8 December
    pushed = {v["view"]: v["online_rows_sent"] for v in copy.run("materialize", "--as-of", later.isoformat())["views"]}
    assert tables_below(copy.root / ".featurectl" / "offline") == before
    # Only these have a row in a window between the two instants: those of 28 days and of a lifetime.
    assert {view for view, sent in pushed.items() if sent} == {
        "route_arrivals", "flight_arrivals", "plane_arrivals", "plane_departures"
    }  # fmt: skip
    was, now = online_values(flights, NOW), online_values(copy, later)
    assert was["airport_facts"] == now["airport_facts"]
    routes = list(zip(was["route_arrivals"], now["route_arrivals"], strict=True))
    assert all(b["count_28d"] <= a["count_28d"] for a, b in routes)
    assert sum(b["count_28d"] < a["count_28d"] for a, b in routes) > 100
    # The others answer as of the later push too, though none of their rows was sent.
    assert all(entity["count_3h"] == 0 for entity in now["origin_departures"])
    hours = [found["hours_since_landing"] for found in was["plane_arrivals"]]
    moved = [None if value is None else value + 96 for value in hours]
    assert [found["hours_since_landing"] for found in now["plane_arrivals"]] == pytest.approx(moved, nan_ok=False)


@pytest.fixture(scope="module")
def stepped(flights, tmp_path_factory):  # noqa: ARG001  # after this fixture
    """The six weeks in two files, materialized at four instants; what each run did, by view."""
    repository = write_some_flights(tmp_path_factory.mktemp("steps") / "flights")
    quicken_training(repository)
    rest = split_sources(repository, CUT)
    steps = []
    repository.run("apply", "--auto-approve")
    for at in (FIRST, CUT, THIRD, NOW):
        if at == THIRD:
            add_files(repository, rest)
        made = repository.run("materialize", "--as-of", at.isoformat())["views"]
        steps.append({view["view"]: view for view in made})
    return repository, steps


@pytest.mark.long
def test_runs_in_steps_take_each_row_once(flights, stepped):
    _, steps = stepped
    for name, view in clocked_views(flights).items():
        assert [step[name]["action"] for step in steps] == ["first", "append", "append", "append"]
        assert [step[name]["table_version"] for step in steps] == [0, 1, 2, 3]
        read = [step[name]["rows_read"] for step in steps]
        assert min(read) > 0
        assert sum(read) == flights.rows(view.source.name).height


def test_runs_in_steps_give_the_training_sets_of_one_run_to_the_byte(stepped, flights, training_sets):
    repository, _ = stepped
    assert late_rows(flights, FIRST, 3) > 5
    for model, whole in training_sets.items():
        assert repository.training_set(model).equals(whole)
        flights.training_set(model)
        assert (repository.root / "made.parquet").read_bytes() == (flights.root / "made.parquet").read_bytes()


def test_runs_in_steps_leave_the_online_values_of_one_run(stepped, flights):
    repository, _ = stepped
    assert online_values(repository, NOW) == online_values(flights, NOW)


def test_a_late_row_is_picked_up_where_it_belongs(stepped, flights):
    """Rows that were reported after a run, of events before it, lie in the table and are seen from then on."""
    repository, _ = stepped
    first = flights.rows("arrivals").sort("available_at").unique("flight_id", keep="first")
    late = first.filter((pl.col("available_at") > CUT) & (pl.col("sched_dep_at") < CUT - timedelta(hours=3)))
    assert late.height > 5
    with open_workspace(repository.root, None, NOW) as workspace:
        table = workspace.offline().table("carrier_arrivals", 1, {"carrier": "string"})
        rows = table.read()
    clocks = {
        "left_on": ["carrier", "sched_dep_at", "available_at"],
        "right_on": ["carrier", "event_time", "available_at"],
    }
    assert late.join(rows, how="semi", **clocks).height == late.height
