"""Training sets without a model: prefixes, other names of time and keys, the keys of a view as a spine."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.catalog.shop import make_shop

AT = "2026-01-09T12:00:00Z"


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An applied and materialized repository, in the current folder, with a spine of its own words."""
    make_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    rows = [f"c{i % 7},2026-01-{5 + i % 8:02}T06:00:00Z,{i}" for i in range(20)]
    Path("asks.csv").write_text("\n".join(["buyer,asked_at,n", *rows]) + "\n")
    Path("plain.csv").write_text("\n".join(["customer,event_time,n", *rows]) + "\n")
    capsys.readouterr()


def made(*words: str) -> pl.DataFrame:
    """Return the rows of a training set."""
    assert main(["training-set", *words, "--out", "out.parquet", "-q"]) == 0
    return pl.read_parquet("out.parquet")


def manifest() -> dict[str, object]:
    """Return what stands beside the rows."""
    found: dict[str, object] = json.loads(Path("out.parquet.manifest.json").read_text())
    return found


def again(capsys: pytest.CaptureFixture[str]) -> str:
    """Make the last rows again from their manifest, and return what is said of the bytes."""
    Path("out.parquet").unlink()
    assert main(["training-set", "--from-manifest", "out.parquet.manifest.json", "--out", "out.parquet", "-q"]) == 0
    return capsys.readouterr().out


def test_a_prefix_names_the_columns_of_a_view_apart(capsys):
    plain = made("--features", "spend:*", "--spine", "plain.csv")
    features = "spend:count_7d as all_, history:* as h_,spend:* as spend_,spend:count_7d"
    rows = made("--features", features, "--spine", "plain.csv")
    names = [f"spend_{name}" for name in plain.columns[3:]]
    assert rows.columns == ["customer", "event_time", "n", "all_count_7d", "h_amount", *names, "count_7d"]
    assert rows["all_count_7d"].equals(plain["count_7d"])
    assert rows.select(names).rename(dict(zip(names, plain.columns[3:], strict=True))).equals(plain[:, 3:])
    assert manifest()["options"]["features"] == features.replace(", ", ",").split(",")
    assert "the same bytes" in again(capsys)


def test_features_may_be_asked_for_several_times():
    words = ("--features", "spend:count_7d", "--features", "history:* as h_,spend:per_order")
    assert made(*words, "--spine", "plain.csv").columns[3:] == ["count_7d", "h_amount", "per_order"]


def test_time_and_join_name_columns_that_are_called_otherwise(capsys):
    plain = made("--features", "spend:*", "--spine", "plain.csv")
    words = ("--features", "spend:*", "--spine", "asks.csv", "--time", "asked_at", "--join", "customer=buyer")
    rows = made(*words)
    assert rows.columns[:3] == ["buyer", "asked_at", "n"]
    assert rows[:, 3:].equals(plain[:, 3:])
    assert manifest()["options"]["join"] == {"customer": "buyer"}
    assert "the same bytes" in again(capsys)


def test_keys_of_a_view_are_those_that_were_known_at_an_instant(capsys):
    rows = made("--features", "spend:*", "--keys-from", "spend", "--at", AT)
    keys = [f"c{i}" for i in range(7)]
    lines = ["customer,event_time", *(f"{key},{AT}" for key in keys)]
    Path("keys.csv").write_text("\n".join(lines) + "\n")
    assert rows["customer"].to_list() == keys
    assert rows.equals(made("--features", "spend:*", "--spine", "keys.csv"))
    made("--features", "spend:*", "--keys-from", "spend", "--at", AT)
    assert manifest()["options"]["at"] == AT
    assert "the same bytes" in again(capsys)
    early = made("--features", "last_order:*", "--keys-from", "last_order", "--at", "2026-01-02T12:00:00Z")
    known = pl.read_csv("orders.csv").filter(pl.col("ordered_at") <= "2026-01-02T12:00:00Z")
    assert early.height == known.select("customer", "day").n_unique()


@pytest.mark.long
def test_keys_of_another_view_are_pinned_with_it(capsys):
    made("--features", "history:*", "--keys-from", "spend", "--at", AT)
    assert set(manifest()["tables"]) == {"spend@2", "history@1"}
    Path("orders.csv").write_text(Path("orders.csv").read_text() + "new,2026-01-08,2026-01-08T01:00:00Z,paid,3\n")
    assert main(["materialize", "--full", "-q"]) == 0
    capsys.readouterr()
    assert "the same bytes" in again(capsys)


def test_keys_join_as_the_model_says():
    rows = made("big", "--keys-from", "spend", "--at", AT)
    assert rows["customer"].to_list() == [f"c{i}" for i in range(7)]
    assert set(rows["ordered_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")) == {AT}


def test_a_part_of_the_keys_can_be_drawn():
    rows = made("--features", "spend:*", "--keys-from", "spend", "--at", AT, "--sample", "0.5", "--seed", "3")
    assert 0 < rows.height < 7


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--features", "spend:*", "--spine", "asks.csv"], "--time COLUMN"),
        (["--features", "spend:*", "--spine", "plain.csv", "--time", "when"], "its columns: customer"),
        (["--features", "spend:*", "--spine", "plain.csv", "--join", "client=buyer"], "keys: customer"),
        (["--features", "spend:*", "--spine", "plain.csv", "--join", "customer"], "KEY=COLUMN"),
        (["--features", "spend:*", "--spine", "plain.csv", "--join", "customer=buyer"], "buyer"),
        (["big", "--join", "customer=buyer"], "--join goes with --features"),
        (["big", "--time", "n"], "--time goes with --spine"),
        (["--features", "spend:*", "--spine", "plain.csv", "--keys-from", "spend"], "one of them"),
        (["--features", "spend:*", "--spine", "plain.csv", "--at", AT], "--keys-from VIEW"),
        (["--features", "spend:*", "--keys-from", "spent"], 'did you mean "spend"'),
        (["--features", "spend:*", "--keys-from", "spend", "--at", "2027-01-01T00:00:00Z"], "has not come yet"),
        (["--features", "spend:*", "--keys-from", "spend", "--at", "noon"], "not an instant"),
        (["--features", "spend:count_7d,spend:*", "--spine", "plain.csv"], "spend:* as spend_"),
        (["--features", "spend:* as Big", "--spine", "plain.csv"], "no prefix"),
        (["--features", "spend:*"], "--keys-from VIEW"),
    ],
)
def test_what_can_not_be_meant_is_an_error_that_says_what_can(capsys, words, says):
    assert main(["training-set", *words, "--out", "out.parquet", "-q"]) in (1, 64)
    assert says in capsys.readouterr().err
    assert not Path("out.parquet").exists()
