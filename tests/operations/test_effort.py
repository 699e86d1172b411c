"""How much work a plan announces, from real tables, stores and files."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.source import SqlQuery
from featurectl.offline.delta import DeltaStore
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import materialize_view
from featurectl.operations.plan_effort import StatisticsStores, measure_plan
from featurectl.operations.push import PushRequest, push_view
from featurectl.plan.plan import Effort
from featurectl.sources.open import open_source
from featurectl.sources.size import SourceSize, source_size
from tests.definitions import ARRIVALS, CARRIER, DELAYS, LATEST
from tests.plan.states import EMPTY, plan_of, repo_of, state_of, the_change

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LAST = FIRST + timedelta(days=90, hours=3)
ROWS = {
    "carrier": ["A", "B", "B"],
    "origin": ["JFK"] * 3,
    "arr_delay": [1.0, 2.0, 3.0],
    "at": [FIRST, FIRST, LAST],
    "known_at": [FIRST, FIRST, LAST],
}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "data").mkdir()
    frame = pl.DataFrame(ROWS).with_columns(pl.col("at", "known_at").cast(pl.Datetime("us", "UTC")))
    frame.write_parquet(tmp_path / "data" / "arrivals.parquet")
    return replace(ARRIVALS, path="data/*.parquet")


@pytest.fixture
def measured(tmp_path):
    store = SqliteStore(tmp_path / "online.db")

    def gone_of(source, read):
        reader = open_source(source, tmp_path)
        return reader.lost_parts(reader.parts(), read)

    yield StatisticsStores(
        offline=lambda: DeltaStore(str(tmp_path / "offline"), "flights"),
        online=store,
        size_of=lambda source: source_size(open_source(source, tmp_path)),
        gone_of=gone_of,
    )
    store.close()


def effort(plan, measured, *views):
    return the_change(measure_plan(plan, {view.name: view for view in views}, measured)).effort


def materialized(view, measured, tmp_path):
    """Materialize and push a view at an instant after its last row."""
    table = measured.offline().table(view.name, 1, view.entity.keys)
    run = MaterializeRun(view=view, version=1, reader=open_source(view.source, tmp_path), table=table)
    materialize_view(PolarsEngine(1), run, LAST)
    request = PushRequest(
        engine=PolarsEngine(),
        view=view,
        version=1,
        table=table,
        store=measured.online,
        project="flights",
        env="dev",
        now=LAST,
    )
    push_view(request)


def test_a_new_view_has_the_rows_of_its_source(source, measured, tmp_path):
    view = replace(LATEST, source=source)
    plan = plan_of(repo_of(CARRIER, source, view), state_of(CARRIER, source))
    size = (tmp_path / "data" / "arrivals.parquet").stat().st_size
    assert effort(plan, measured, view) == Effort(
        basis="source arrivals", since=FIRST, until=LAST, rows=3, size_bytes=size
    )


def test_a_breaking_change_has_the_rows_and_keys_of_the_version_before(source, measured, tmp_path):
    view = replace(DELAYS, source=source)
    materialized(view, measured, tmp_path)
    after = replace(view, closed="both")
    found = effort(plan_of(repo_of(CARRIER, source, after), state_of(CARRIER, source, view)), measured, after)
    assert (found.basis, found.since, found.until) == ("table delays@1", FIRST, LAST)
    assert (found.rows, found.online_keys) == (3, 1)
    assert found.size_bytes > 0


def lost(plan, measured, view):
    return the_change(measure_plan(plan, {view.name: view}, measured)).notes[-1:]


def test_a_plan_says_what_the_source_no_longer_holds(source, measured, tmp_path):
    view = replace(DELAYS, source=source)
    materialized(view, measured, tmp_path)
    broken = replace(view, closed="both")
    latest = replace(LATEST, source=source)
    materialized(latest, measured, tmp_path)
    grown = replace(latest, inputs=(*latest.inputs, replace(latest.inputs[0], name="more")))
    breaking = plan_of(repo_of(CARRIER, source, broken), state_of(CARRIER, source, view))
    less = replace(latest, features=latest.features[:1])
    additive = plan_of(repo_of(CARRIER, source, latest), state_of(CARRIER, source, less))
    assert (lost(breaking, measured, broken), lost(additive, measured, grown)) == ((), ())
    file = tmp_path / "data" / "arrivals.parquet"
    pl.read_parquet(file).tail(1).write_parquet(file)
    since = "v1 has 2 rows of 2024-01-01T00:00:00Z of before what the source holds now, from 2024-03-31T03:00:00Z on"
    assert lost(breaking, measured, broken) == (f"{since}: v2 is made without these rows",)
    refused = "materialize refuses to make the table anew without these rows (FC501)"
    assert lost(additive, measured, grown) == (f"{since}: {refused}",)
    file.rename(file.with_name("later.parquet"))
    gone = "data/arrivals.parquet that v1 has read (3 rows) is gone: v2 is made without these rows"
    assert lost(breaking, measured, broken) == (gone,)


def test_an_additive_change_reads_rows_only_for_a_missing_column(source, measured, tmp_path):
    view = replace(LATEST, source=source)
    less = replace(view, features=view.features[:1])
    materialized(view, measured, tmp_path)
    plan = plan_of(repo_of(CARRIER, source, view), state_of(CARRIER, source, less))
    assert effort(plan, measured, view) == Effort(basis="table latest@1", online_keys=2)
    grown = replace(view, inputs=(*view.inputs, replace(view.inputs[0], name="more")))
    assert effort(plan, measured, grown).rows == 3


def test_without_an_online_store_keys_are_not_known(source, measured, tmp_path):
    view = replace(DELAYS, source=source)
    materialized(view, measured, tmp_path)
    after = replace(view, closed="both")
    plan = plan_of(repo_of(CARRIER, source, after), state_of(CARRIER, source, view))
    assert effort(plan, replace(measured, online=None), after).online_keys is None


def test_files_without_statistics_tell_their_bytes_and_queries_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("carrier,at\nA,2024-01-01T00:00:00Z\n")
    source = replace(ARRIVALS, format="csv", path="*.csv", columns={"carrier": "string", "at": "timestamp"})
    assert source_size(open_source(source, tmp_path)) == SourceSize(size_bytes=34)
    query = SqlQuery(url=f"sqlite:///{tmp_path}/none.db", query="select 1")
    asked = replace(source, format="sql", path="", sql=query)
    assert source_size(open_source(asked, tmp_path)) == SourceSize()


def test_a_delta_table_tells_its_rows_bytes_and_event_times(tmp_path):
    times = [datetime(2024, 1, day, tzinfo=UTC) for day in (3, 1, 2)]
    rows = pl.DataFrame({"carrier": ["A", "B", "C"], "at": times})
    for part in (rows[:2], rows[2:]):
        part.write_delta(tmp_path / "arrivals.delta", mode="append")
    source = replace(
        ARRIVALS, format="delta", path="arrivals.delta", event_time="at", available_at=None, columns=None, select=()
    )
    size = sum(file.stat().st_size for file in (tmp_path / "arrivals.delta").glob("*.parquet"))
    known = SourceSize(rows=3, size_bytes=size, oldest=min(times), newest=max(times))
    assert source_size(open_source(source, tmp_path)) == known


def test_a_change_of_metadata_has_no_effort(source, measured):
    view = replace(LATEST, source=source)
    owned = replace(view, about=replace(view.about, owner="ana"))
    plan = plan_of(repo_of(CARRIER, source, owned), state_of(CARRIER, source, view))
    assert effort(plan, measured, owned) is None
    assert plan_of(repo_of(CARRIER), EMPTY).changes[0].effort is None
