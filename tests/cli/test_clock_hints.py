"""What is said of a clock or a key that is not there, or is no time, is what to write: whoever writes it goes on."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: user, keys: {user: int64}}]
sources: [{name: orders, path: PATH, event_time: TIME}]
feature_views:
  - name: spend
    entity: user
    source: orders
    aggregates: [{op: sum, column: amount, windows: [7d]}, {op: count, name: big, where: amount > 2, windows: [7d]}]
"""
SECONDS = 1_767_740_400  # 2026-01-06T23:00:00Z


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """Writes objects over rows of a file that lies outside of the repository, where `validate` does not look."""
    root, data = tmp_path / "shop", tmp_path / "data"
    root.mkdir()
    data.mkdir()
    monkeypatch.chdir(root)
    (root / "featurectl.yaml").write_text(PROJECT.replace("online:", f'data_roots: ["{data}"], online:'))

    def write(suffix, time, *, seen=False, **columns):
        path = (root if seen else data) / f"orders.{suffix}"
        rows = pl.DataFrame({"user": [1, 1, 2], **columns, "amount": [1, 2, 4]})
        (rows.write_csv if suffix == "csv" else rows.write_parquet)(path)
        (root / "o.yaml").write_text(OBJECTS.replace("PATH", path.name if seen else str(path)).replace("TIME", time))
        capsys.readouterr()

    return write


def ran(capsys, *words):
    capsys.readouterr()
    code = main([*words, "-q"])
    return code, capsys.readouterr().err


def materialized(capsys):
    assert ran(capsys, "apply", "--auto-approve") == (0, "")
    return ran(capsys, "materialize")


def written(hint, event_time):
    """Return the value of `event_time` that a hint says to write, with the `select` beside it."""
    select, name = re.search(r"write (select: \{.*?\}) and name (\w+);", hint).groups()
    return f"{name}, {select}" if event_time == "s" else f"{name}, {select.replace('(ts)', '(ts / 1000)')}"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1_000)])
@pytest.mark.sample(1)
def test_an_epoch_as_event_time_is_read_as_the_hint_says(shop, capsys, suffix, unit, factor):
    times = [(SECONDS + hour * 3600) * factor for hour in range(3)]
    shop(suffix, "ts", ts=times)
    code, err = materialized(capsys)
    assert (code, "error[FC504]" in err, "of milliseconds ts / 1000" in err) == (1, True, True), err
    shop(suffix, written(err, unit), ts=times)
    assert materialized(capsys) == (0, "")
    assert main(["get", "spend", "user=1", "-q", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["event_time"] == "2026-01-07T00:00:00Z"
    assert {name: item["value"] for name, item in found["features"].items()} == {"amount_sum_7d": 3, "big_7d": 0}


def test_validate_says_the_same_where_the_type_is_known(shop, capsys):
    times = [SECONDS, SECONDS, SECONDS]
    shop("parquet", "ts", seen=True, ts=times)
    code, err = ran(capsys, "validate")
    assert (code, 'error[FC312]: "ts" is int64' in err) == (1, True)
    shop("parquet", written(err, "s"), seen=True, ts=times)
    assert ran(capsys, "validate")[0] == 0
    assert materialized(capsys) == (0, "")


@pytest.mark.parametrize("seen", [True, False])
def test_an_event_time_that_the_file_lacks_is_told_as_that(shop, capsys, seen):
    times = [f"2026-01-06T0{hour}:00:00Z" for hour in range(3)]
    shop("csv", "happened", seen=seen, at=times)
    code, err = ran(capsys, "validate") if seen else materialized(capsys)
    assert (code, err.count("error[")) == (1, 1)
    assert "which `event_time` names" in err
    assert "columns: amount, at, user" in err


def test_a_declared_event_time_that_the_file_lacks_is_told_as_that(shop, capsys):
    declared = "happened, columns: {user: int64, happened: timestamp, amount: int64}"
    shop("csv", declared, at=["2026-01-06T00:00:00Z"] * 3)
    code, err = materialized(capsys)
    assert (code, "has no column 'happened', which `event_time` names" in err) == (1, True), err


@pytest.fixture
def ready(shop, capsys):
    shop("csv", "at", seen=True, at=[f"2026-01-06T0{hour}:00:00Z" for hour in range(3)])
    assert materialized(capsys) == (0, "")

    def asked(*words):
        return ran(capsys, "training-set", "--features", "spend:*", "--out", "x.csv", *words)

    return asked


def test_a_spine_without_a_key_is_told_the_option_that_names_it(ready, tmp_path):
    spine = tmp_path / "spine.csv"
    spine.write_text("buyer,event_time\n1,2026-01-07T00:00:00Z\n")
    code, err = ready("--spine", str(spine))
    assert (code, "has no column 'user', a key of view spend" in err) == (1, True), err
    assert "--join user=COLUMN says which; its columns: buyer, event_time" in err
    code, err = ready("--spine", str(spine), "--join", "user=byer")
    assert (code, "has no column 'byer' for user, a key of view spend" in err) == (1, True), err
    assert ready("--spine", str(spine), "--join", "user=buyer") == (0, "")


def test_rows_of_keys_have_no_other_columns_to_join(ready):
    keys = ("--keys-from", "spend", "--at", "2026-01-07")
    code, err = ready(*keys, "--join", "user=nix")
    assert code == 64
    assert "--join user=nix: with --keys-from spend the rows have its keys, no 'nix' for user" in err
    assert "columns: user" in err
    assert ready(*keys, "--join", "user=user") == (0, "")
