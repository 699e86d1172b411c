"""The other causes: ties, ttl, defaults, rows that came late into the table, missed pushes; what is left out."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import featurectl
from featurectl.cli.main import main
from tests.monitor.verify.injections import DAY, HOUR, NOW, change_log, open_bytes
from tests.monitor.verify.shop import log_folder, request_rows, run, serve_rows, verified


def features_of(result) -> dict[str, dict]:
    return {skew["feature"]: skew for skew in result["models"][0]["features"]}


def profiles_of(root, user: int) -> list[tuple]:
    rows = pl.read_parquet(root / "profiles.parquet").filter(pl.col("user") == user).sort("at")
    return rows.select("at", "tier", "age").rows()


@pytest.mark.long
def test_the_other_one_of_two_rows_of_one_time_is_a_tie(shop, capsys):
    def take_the_other(row):
        young = [(tier or "none", age) for at, tier, age in profiles_of(shop, row["user"]) if at > NOW - 5 * DAY]
        if len({age for _, age in young}) == 2:
            ((row["feature.tier"], row["feature.age"]),) = [pair for pair in young if pair[1] != row["feature.age"]]

    assert change_log(log_folder(shop), take_the_other) > 5
    code, result = verified(shop, capsys)
    found = features_of(result)
    assert code == 1
    assert set(found["age"]["causes"]) == {"tie"}
    assert set(found["tier"]["causes"]) == {"tie"}


def test_a_state_that_is_served_after_its_ttl_should_have_expired(shop, capsys):
    users = pl.DataFrame({"user": range(36)})
    spine = users.with_columns(event_time=pl.Series([profiles_of(shop, user)[-1][0] for user in range(36)]))
    rows = featurectl.open_project(shop).training_set(features="profile:tier,profile:age", spine=spine).rows
    fresh = {user: (tier, age) for user, tier, age in rows.select("user", "tier", "age").iter_rows()}

    def revive(row):
        if row["status.age"] == "EXPIRED":
            row["feature.tier"], row["feature.age"] = fresh[row["user"]]

    assert change_log(log_folder(shop), revive) > 5
    code, result = verified(shop, capsys)
    assert (code, set(features_of(result)["age"]["causes"])) == (1, {"expiry"})


def test_a_state_that_expired_before_its_ttl_is_named_so(shop, capsys):
    def expire(row):
        if row["status.age"] == "PRESENT" and row["user"] % 3 == 0:
            row |= {"feature.tier": "none", "feature.age": None, "status.tier": "EXPIRED", "status.age": "EXPIRED"}

    assert change_log(log_folder(shop), expire) > 3
    code, result = verified(shop, capsys)
    assert (code, set(features_of(result)["age"]["causes"])) == (1, {"expiry"})


def test_a_default_on_one_side_only_is_named_so(shop, capsys):
    def bare(row):
        if row["status.tier"] in ("NULL", "EXPIRED", "NOT_FOUND"):
            row["feature.tier"] = None

    changed = change_log(log_folder(shop), bare)
    code, result = verified(shop, capsys)
    assert (code, features_of(result)["tier"]["causes"]) == (1, {"default": changed})


def test_rows_that_came_into_the_table_after_the_push_are_late_rows(shop, capsys):
    """Their clocks say that the push could have had them."""
    profiles = pl.read_parquet(shop / "profiles.parquet")
    late = pl.DataFrame({"user": [1, 2, 5], "at": [NOW - HOUR] * 3, "tier": ["late"] * 3, "age": [99] * 3})
    pl.concat([profiles, late.cast(profiles.schema)]).write_parquet(shop / "profiles.parquet")
    run(shop, "materialize", "profile", "--no-online")
    code, result = verified(shop, capsys)
    skews = result["models"][0]["features"]
    assert (code, {cause for skew in skews for cause in skew["causes"]}) == (1, {"late row"})
    assert skews[-1]["told"]["late row"].startswith("in the table after its version ")
    code, result = verified(shop, capsys, "--store", "--all", "profile")
    assert (code, result["views"][0]["note"]) == (
        0,
        "its table was rebuilt since the last push: compared with version 1 of it",
    )


@pytest.mark.long
def test_a_push_under_a_restored_older_store_is_missed_by_what_is_read(shop, capsys):
    """Rows and record are of before: each value equals the table at its own instant, and that is too long ago."""
    old = (shop / "on.db").read_bytes()
    run(shop, "push", "--as-of", (NOW + 3 * DAY).isoformat())
    serve_rows(shop, request_rows(20, seed=3), time=(NOW + 3 * DAY + HOUR).isoformat())
    assert verified(shop, capsys)[0] == 0
    (shop / "on.db").write_bytes(old)
    serve_rows(shop, request_rows(20, seed=3), time=(NOW + 4 * DAY).isoformat())
    code, result = verified(shop, capsys)
    found = features_of(result)
    assert code == 1
    assert found["count_7d"]["causes"] == {"stale push": 20}
    assert found["count_7d"]["told"]["stale push"] == "read later than `refresh` allows, though a later push was there"
    assert found["age"]["causes"] == {}


@pytest.mark.parametrize("kind", ["missing", "unexpected"])
def test_rows_that_the_store_lacks_or_should_not_have_are_told(shop, capsys, kind):
    with closing(open_bytes(f"sqlite:///{shop}/on.db")) as store:
        rows = store.rows()
        key = sorted(rows)[5]
        if kind == "missing":
            store.drop(key)
        else:
            store.add(b"i3:777", rows[key])
    code, result = verified(shop, capsys, "--store", "--all", "spend")
    found = result["views"][0]
    assert code == 1
    assert found[kind] == {f"{kind} row": 1}
    assert not any(skew["mismatched"] for skew in found["features"])


def test_bytes_that_are_no_row_are_corrupted(shop, capsys):
    with closing(open_bytes(f"sqlite:///{shop}/on.db")) as store:
        keys = sorted(store.rows())
        store.put(keys[2], b"\x01\x00")
        store.put(keys[3], store.rows()[keys[3]][:30])
    code, result = verified(shop, capsys, "--store", "--all", "spend")
    assert code == 1
    assert all(skew["causes"] == {"corrupted value": 2} for skew in result["views"][0]["features"])


def test_what_can_not_be_replayed_is_counted_and_told(shop, capsys):
    serve_rows(shop, request_rows(10, seed=5), time=(NOW - timedelta(hours=3)).isoformat())  # before the push

    def fail(row):
        if row["user"] == 4:
            row["error"] = "no score"

    failed = change_log(log_folder(shop), fail)
    code, result = verified(shop, capsys)
    report = result["models"][0]
    assert code == 0
    assert report["left_out"]["the request failed"] == failed
    assert report["left_out"]["spend@1: asked as of an instant before the push that answered"] == 10 - sum(
        1 for row in request_rows(10, seed=5) if row["user"] == 4
    )
    assert [note.partition(" have")[0] for note in report["notes"]] == [
        "request columns",
        "inputs derived in the model",
    ]


def test_a_view_whose_table_is_gone_leaves_the_others_to_be_replayed(shop, capsys):
    shutil.rmtree(shop / "off" / "verified" / "profile")
    code, result = verified(shop, capsys)
    report = result["models"][0]
    assert code == 0
    assert report["left_out"] == {"profile@1: feature view profile@1 has no offline table": 150}
    assert {skew["feature"] for skew in report["features"]} == {
        "count_1d",
        "count_7d",
        "amount_sum_7d",
        "amount_max_7d",
    }
    assert all(skew["compared"] == 150 for skew in report["features"])


def test_a_log_of_which_no_row_could_be_replayed_is_not_called_right(shop, capsys):
    for view in ("profile", "spend"):
        shutil.rmtree(shop / "off" / "verified" / view)
    code, result = verified(shop, capsys)
    assert (code, result["models"][0]["rows"], result["models"][0]["replayed"]) == (1, 150, 0)


def test_a_store_that_nothing_was_pushed_to_is_not_called_right(shop, capsys):
    (shop / "on.db").unlink()
    code, result = verified(shop, capsys, "--store")
    assert (code, {view["note"] for view in result["views"]}) == (1, {"never pushed"})
    run(shop, "push", "profile")
    assert verified(shop, capsys, "--store")[0] == 0


@pytest.mark.long
def test_a_table_rebuilt_to_begin_later_is_not_compared_with_before(shop, capsys):
    run(shop, "materialize", "--full", "--since", (NOW - 5 * DAY).isoformat(), "--no-online")
    code, result = verified(shop, capsys)
    report = result["models"][0]
    assert (code, report["replayed"]) == (0, 150)
    assert report["left_out"] == {"spend@1: the table was rebuilt since, and begins later": 150}
    code, result = verified(shop, capsys, "--store", "--all")
    assert (code, [view["entities"] for view in result["views"]]) == (0, [36, 40, 40])
    said = "its table begins later since the last push: compared with version 1 of it"
    assert [view["note"] for view in result["views"]][:2] == [said, said]
    for file in (shop / "off" / "verified" / "spend" / "v1").rglob("*.parquet"):
        if file.stat().st_mtime < (shop / "r.db").stat().st_mtime:  # of before the rebuild
            file.unlink()
    assert main(["verify", "-C", str(shop), "-q", "--store", "spend"]) == 1
    said = capsys.readouterr().err
    assert "error: spend@1 begins later since its last push, and what was pushed can't be read any more" in said
    run(shop, "push")
    code, result = verified(shop, capsys, "--store", "--all")
    assert (code, [view["note"] for view in result["views"]]) == (0, [None] * 3)


@pytest.mark.parametrize(("ago", "rows"), [(0.5, 150), (23.0, 150), (49.0, 0)])
def test_rows_served_at_an_instant_are_found_by_when_they_were_requested(shop, capsys, ago, rows):
    """The shop's server runs at an instant of long ago: no row has features of now."""
    asked = datetime.now(UTC) - timedelta(hours=ago)
    _, since = verified(shop, capsys, "--since", asked.isoformat())
    assert since["models"][0]["replayed"] == rows
    _, between = verified(
        shop, capsys, "--since", asked.isoformat(), "--until", (asked + timedelta(seconds=1)).isoformat()
    )
    assert between["models"][0]["rows"] == 0


def test_the_last_instants_there_are_find_no_rows(shop, capsys):
    _, none = verified(shop, capsys, "--since", "9999-12-31T12:00:00Z")
    assert none["models"][0]["rows"] == 0


@pytest.mark.long
def test_a_share_of_the_requests_and_a_time_may_be_chosen(shop, capsys):
    _, half = verified(shop, capsys, "--sample", "50%")
    assert 0 < half["models"][0]["rows"] < 150  # of 15 requests with random numbers
    assert half["models"][0]["rows"] % 10 == 0  # whole requests
    _, none = verified(shop, capsys, "--since", (NOW + HOUR).isoformat())
    assert none["models"][0]["rows"] == 0
    _, every = verified(shop, capsys, "buy", "--since", NOW.isoformat(), "--until", (NOW + HOUR).isoformat())
    assert every["models"][0]["replayed"] == 150
    _, before = verified(shop, capsys, "--as-of", (NOW - HOUR).isoformat())
    assert before["models"][0]["rows"] == 0
    _, now = verified(shop, capsys, "--as-of", NOW.isoformat())
    assert now["models"][0]["rows"] == 150


@pytest.mark.parametrize(
    "words",
    [
        ["nobody"],
        ["--sample", "0"],
        ["--sample", "lots"],
        ["--all"],
        ["--store", "--sample", "0.5"],
        ["--store", "--all", "--sample", "5"],
        ["--store", "--since", "2026-01-01T00:00:00Z"],
        ["--store", "--as-of", "2026-01-01T00:00:00Z"],
        ["--until", "2026-01-01T00:00:00Z", "--as-of", "2026-01-01T00:00:00Z"],
        ["--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"],
        ["--store", "nothing"],
        ["--tolerance", "-1"],
        ["--since", "yesterday"],
    ],
    ids=" ".join,
)
def test_what_can_not_be_asked_is_refused(built, capsys, words):
    assert main(["verify", "-C", str(built), "-q", *words]) == 64
    assert "error" in capsys.readouterr().err


def test_a_model_without_a_log_is_not_called_right(shop, capsys):
    shutil.rmtree(log_folder(shop))
    for words in ([], ["buy"]):
        assert main(["verify", "-C", str(shop), "-q", *words]) == 64
        assert "no prediction log" in capsys.readouterr().err
