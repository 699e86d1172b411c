"""Rows that came into the table after the push: store and log are right by what there was to be pushed, and told so."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest

from featurectl.online.sqlite.store import SqliteStore
from tests.monitor.verify.injections import (
    DAY,
    HOUR,
    NOW,
    change_log,
    inject_log,
    inject_store,
    open_bytes,
    read_orders,
)
from tests.monitor.verify.shop import log_folder, request_rows, run, serve_rows, verified, write_shop
from tests.monitor.verify.test_pushed_meanwhile import compare

LATER = (NOW + HOUR).isoformat()


def add_orders(root, users=range(30), known=timedelta(seconds=1)) -> None:
    """Let orders of some users turn up in the file that became available a moment before now."""
    orders = pl.read_parquet(root / "orders.parquet")
    rows = [(user, NOW - 2 * known, NOW - known, 60) for user in users]
    late = pl.DataFrame(rows, schema=["user", "at", "seen", "amount"], orient="row").cast(orders.schema)
    pl.concat([orders, late]).write_parquet(root / "orders.parquet")


def materialize_late(root) -> None:
    """Read thirty late rows into the table; one that was there already has become available since, too."""
    add_orders(root)
    run(root, "materialize", "spend", "--no-online", "--as-of", LATER)


@pytest.fixture
def ahead(shop):
    """The repository, whose table got rows after the push."""
    materialize_late(shop)
    return shop


def compared(root, capsys, *, code: int = 0):
    """Return what `verify --store` says of the first version of the view."""
    found, result = verified(root, capsys, "--store", "--all", "spend")
    assert found == code, result["views"]
    return result["views"][0]


def causes(view) -> dict[str, dict[str, int]]:
    return {skew["feature"]: skew["causes"] for skew in view["features"] if skew["causes"]}


def drop_files_of_before(root) -> None:
    """Remove what a vacuum would of a table that was rebuilt just now."""
    folder = root / "off" / "verified" / "spend" / "v1"
    for file in sorted(folder.rglob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)[:-1]:
        file.unlink()


@pytest.mark.long
def test_rows_that_came_since_the_push_are_told_and_no_difference(ahead, capsys):
    view = compared(ahead, capsys)
    assert view["note"] == "31 rows came into its table after the last push: featurectl push spend"
    assert (view["entities"], causes(view)) == (40, {})
    run(ahead, "push", "spend", "--as-of", LATER)
    assert compared(ahead, capsys)["note"] is None


@pytest.mark.long
def test_corrupted_values_are_found_beside_late_rows(shop, capsys):
    orders = read_orders(shop / "orders.parquet")
    materialize_late(shop)
    assert inject_store("corrupted value", orders, f"sqlite:///{shop}/on.db") == 3
    assert causes(compared(shop, capsys, code=1)) == {"amount_sum_7d": {"corrupted value": 3}}


def test_rows_that_a_run_reads_during_a_comparison_are_no_differences(shop, monkeypatch):
    read, runs = SqliteStore.read_push_record, []

    def read_push_record(self, view):
        record = read(self, view)
        if not runs:
            runs.append(1)
            materialize_late(shop)
        return record

    monkeypatch.setattr(SqliteStore, "read_push_record", read_push_record)
    found = compare(shop)
    assert (runs, found.entities, found.differences) == ([1], 40, 0)


def test_a_table_that_was_rebuilt_since_is_compared_as_it_was_pushed(shop, capsys):
    add_orders(shop)
    run(shop, "materialize", "spend", "--full", "--no-online", "--as-of", LATER)
    view = compared(shop, capsys)
    assert view["note"] == "its table was rebuilt since the last push: compared with version 1 of it"
    assert (view["entities"], causes(view)) == (40, {})


@pytest.mark.long
def test_where_the_table_that_was_pushed_is_gone_the_newest_is_compared(shop, capsys):
    add_orders(shop)
    run(shop, "materialize", "spend", "--full", "--no-online", "--as-of", LATER)
    drop_files_of_before(shop)
    view = compared(shop, capsys, code=1)
    assert view["note"] == (
        "version 1 of its table, which was pushed last, is gone (the table was rebuilt): "
        "compared with version 2, and what changed since counts as differences; featurectl push spend"
    )
    assert causes(view)["count_1d"]
    assert replayed(shop, capsys)["notes"][-1] == (
        "version 1 of the table of spend@1, of which rows were served, is gone: "
        "rows that came late since can't be distinguished from other causes there"
    )
    run(shop, "push", "spend", "--as-of", LATER)
    assert compared(shop, capsys)["note"] is None


@pytest.mark.long
def test_features_that_were_added_after_the_push_are_told_and_not_compared(shop, capsys):
    views = shop / "views.yaml"
    text = views.read_text().replace("op: [sum, max], windows: [7d]", "op: [sum, max, min], windows: [7d]")
    views.write_text(text.replace("}, age]", "}, age, {name: older, expr: age + 1}]"))
    run(shop, "apply", "--auto-approve")
    run(shop, "materialize", "--no-online")
    code, result = verified(shop, capsys, "--store", "--all")
    notes = {f"{view['view']}@{view['version']}": view["note"] for view in result["views"]}
    assert (code, notes) == (
        0,
        {
            "profile@1": "its table was rebuilt since the last push: compared with version 1 of it; "
            "feature older was added after the last push: not compared; featurectl push profile",
            "spend@1": None,
            "spend@2": "feature amount_min_7d was added after the last push: not compared; featurectl push spend",
        },
    )
    run(shop, "push")
    code, result = verified(shop, capsys, "--store", "--all")
    assert (code, [view["note"] for view in result["views"]]) == (0, [None] * 3)


@pytest.mark.parametrize(
    "since", [HOUR, pytest.param(timedelta(0), marks=pytest.mark.stress)], ids=["later", "at once"]
)
@pytest.mark.long
def test_values_of_a_feature_added_after_the_push_are_of_a_stale_push(tmp_path, capsys, since):
    root = write_shop(tmp_path / "repo")
    orders = pl.read_parquet(root / "orders.parquet")
    orders.with_columns(extra=pl.col("amount") * 2).write_parquet(root / "orders.parquet")
    run(root, "apply", "--auto-approve")
    for instant in (NOW - DAY, NOW):
        run(root, "materialize", "--as-of", instant.isoformat())
    views = root / "views.yaml"
    text = views.read_text().replace("amount_max_7d]", "amount_max_7d, extra_sum_7d]")
    added = "windows: [7d]}\n      - {column: extra, op: sum, windows: [7d]}"
    views.write_text(text.replace("windows: [7d]}", added, 1))
    run(root, "apply", "--auto-approve")
    run(root, "materialize", "--no-online", "--as-of", (NOW + since).isoformat())
    run(root, "train", "buy")
    serve_rows(root, request_rows(20))
    _, result = verified(root, capsys)
    features = result["models"][0]
    by = {skew["feature"]: skew for skew in features["features"] if skew["causes"]}
    assert set(by) == {"extra_sum_7d"}
    assert set(by["extra_sum_7d"]["causes"]) == {"stale push"}
    assert by["extra_sum_7d"]["told"] == {"stale push": "pushed before the feature was added"}
    assert [note for note in features["notes"] if "gone" in note] == []


@pytest.mark.long
def test_rows_of_a_push_that_was_cut_off_are_late_rows(ahead, capsys):
    """It was as of the same instant, of a table that had more: its record was never written."""
    place = f"sqlite:///{ahead}/on.db"
    old = (ahead / "on.db").read_bytes()
    run(ahead, "push", "spend")
    with closing(open_bytes(place)) as store:
        after = store.rows()
    (ahead / "on.db").write_bytes(old)
    with closing(open_bytes(place)) as store:
        for key in sorted(after)[::2]:
            store.put(key, after[key])
    view = compared(ahead, capsys, code=1)
    assert set(causes(view)["count_1d"]) == {"late row"}
    assert view["features"][0]["told"] == {"late row": "of version 2 of the table, which no push that ended had"}


@pytest.fixture(scope="module")
def later(built, tmp_path_factory):
    """The repository, whose table got late rows by six runs after the push that the log is of; not to be changed."""
    root = shutil.copytree(built, tmp_path_factory.mktemp("later") / "repo")
    for hour in range(1, 7):
        add_orders(root, users=range(0, 40, 3), known=timedelta(seconds=hour))
        run(root, "materialize", "spend", "--no-online", "--as-of", (NOW + hour * HOUR).isoformat())
    return root


@pytest.fixture
def long_after(later, tmp_path):
    """A copy of the repository with late rows of six runs."""
    return shutil.copytree(later, tmp_path / "repo")


def replayed(root, capsys):
    """Return what differs in the log of the view's features, which something must."""
    code, result = verified(root, capsys)
    assert code == 1
    return result["models"][0]


@pytest.mark.long
def test_rows_that_came_by_many_runs_after_the_serving_push_are_late(later, capsys):
    report = replayed(later, capsys)
    found = causes(report)
    assert set(found) == {"count_1d", "count_7d", "amount_sum_7d", "amount_max_7d"}
    assert {cause for of in found.values() for cause in of} == {"late row"}
    assert report["features"][0]["told"] == {"late row": "in the table after its version 1"}


@pytest.mark.long
def test_a_fault_is_named_in_rows_that_lack_late_rows_too(built, long_after, capsys):
    inject_log("wrong version served", read_orders(built / "orders.parquet"), log_folder(long_after))
    found = {cause for of in causes(replayed(long_after, capsys)).values() for cause in of}
    assert found == {"version", "late row"}


@pytest.mark.long
def test_a_run_that_was_under_way_at_the_push_brought_late_rows(shop, capsys):
    """It was as of no later, and ended only after the push had read the table."""
    for hour in range(6):
        add_orders(shop, users=range(0, 40, 3), known=timedelta(seconds=hour + 1))
        run(shop, "materialize", "spend", "--no-online", "--as-of", (NOW + hour * HOUR).isoformat())
    report = replayed(shop, capsys)
    assert {cause for of in causes(report).values() for cause in of} == {"late row"}
    assert report["features"][0]["told"] == {"late row": "in the table after its version 1"}


@pytest.mark.long
def test_a_value_that_is_corrupted_in_the_log_is_found_beside_late_rows(long_after, capsys):
    def spoil(row):
        if row["user"] in (3, 8, 13):
            row["feature.amount_sum_7d"] = 1_000_000

    spoiled = change_log(log_folder(long_after), spoil)
    found = causes(replayed(long_after, capsys))
    assert found["amount_sum_7d"]["corrupted value"] == spoiled > 3
    assert {cause for name, of in found.items() for cause in of if name != "amount_sum_7d"} == {"late row"}


def test_what_was_known_between_push_and_reading_is_stale_and_not_late(shop, capsys):
    profiles = pl.read_parquet(shop / "profiles.parquet")
    known = pl.DataFrame({"user": [1, 2, 5], "at": [NOW + HOUR] * 3, "tier": ["new"] * 3, "age": [99] * 3})
    pl.concat([profiles, known.cast(profiles.schema)]).write_parquet(shop / "profiles.parquet")
    rows = [{"user": user, "hour": 1} for user in (1, 2, 5)]
    shutil.rmtree(log_folder(shop))
    serve_rows(shop, rows, time=(NOW + 2 * HOUR).isoformat())
    run(shop, "materialize", "profile", "--no-online", "--as-of", (NOW + 3 * HOUR).isoformat())
    found = causes(replayed(shop, capsys))
    assert found["age"] == {"stale push": 3}
