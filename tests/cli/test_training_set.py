"""`training-set` and `train` as they are run: labels over a horizon, outputs."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.bad_input.shop import PROJECT, Shop, copy_shop

OBJECTS = """entities:
  - {name: customer, keys: {customer: string}}
sources:
  - name: orders
    path: data/orders.csv
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
  - {name: asks, path: data/asks.csv, event_time: at, columns: {customer: string, at: timestamp, n: int64}}
feature_views:
  - name: spend
    entity: customer
    source: orders
    refresh: 6h
    aggregates: [{op: count, windows: [1d]}, {column: amount, op: sum, windows: [1d]}]
  - {name: last_order, entity: customer, source: orders, features: [amount]}
  - {name: everybody, source: orders, aggregates: [{op: count, windows: [lifetime]}]}
models:
  - name: back
    spine:
      source: asks
      time: at
      label: {name: back, entity: customer, source: orders, op: count, horizon: 1d, expr: count > 0}
    features: [{spend: [count_1d, amount_sum_1d]}, {request: {n: int64}}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 2, min_child_samples: 2, verbose: -1}}
"""
# Each customer orders at 10:00 of every other day; each is asked about at 09:00 and 12:00 of every day.
ORDERS = [f"{c},2026-01-{day:02}T10:00:00Z,{day}.5" for day in range(1, 8) for c in "abc" if (day + ord(c)) % 2]
ASKS = [f"{c},2026-01-{day:02}T{hour:02}:00:00Z,{day}" for day in range(1, 8) for hour in (9, 12) for c in "abc"]


@pytest.fixture(scope="session")
def asked(tmp_path_factory) -> Path:
    """The repository, applied and materialized."""
    root, before = tmp_path_factory.mktemp("asked"), Path.cwd()
    (root / "data").mkdir()
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    (root / "data/orders.csv").write_text("\n".join(["customer,ordered_at,amount", *ORDERS]) + "\n")
    (root / "data/asks.csv").write_text("\n".join(["customer,at,n", *ASKS]) + "\n")
    os.chdir(root)
    try:
        for argv in (["apply", "--auto-approve"], ["materialize"]):
            assert main(argv) == 0
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def shop(asked, tmp_path, monkeypatch, capsys) -> Shop:
    root = copy_shop(asked, tmp_path / "shop")
    monkeypatch.chdir(root)
    return Shop(root, lambda: tuple(capsys.readouterr()))


def ran(shop: Shop, *argv: str):
    """Run a command that must succeed, and return what it did."""
    done = shop.run(*argv)
    assert done.code == 0, done.err
    return done


def manifest(name: str):
    return json.loads(Path(f"{name}.manifest.json").read_text())


def test_a_horizon_label_stands_last_and_the_manifest_counts_those_without(shop):
    said = ran(shop, "training-set", "back", "--out", "o.parquet")
    before = "3 rows are before the first event that source orders holds now (2026-01-01 10:00): the label back is null"
    assert f"warning: {before} there\n" in said.err
    rows = pl.read_parquet("o.parquet")
    assert rows.columns == ["customer", "at", "n", "count_1d", "amount_sum_1d", "back"]
    orders = pl.read_csv("data/orders.csv", try_parse_dates=True).rows()
    oldest, newest = (end(at for _, at, _ in orders) for end in (min, max))
    for customer, at, _, _, _, back in rows.iter_rows():
        hours = [(other - at).total_seconds() / 3600 for key, other, _ in orders if key == customer]
        over = at >= oldest and (newest - at).total_seconds() >= 24 * 3600
        assert back == (any(0 <= hour < 24 for hour in hours) if over else None), (customer, at)
    told = manifest("o.parquet")["label"]
    assert told == {
        "name": "back", "null": 12, "counts": {"true": 16, "false": 14}, "horizon": "1d", "immature": 9,
        "before_source": 3, "source": "orders", "source_rows": told["source_rows"],
        "first_event": "2026-01-01T10:00:00Z", "watermark": "2026-01-07T10:00:00Z",
    }  # fmt: skip


def test_train_leaves_out_unknown_labels_and_those_inside_validation(shop):
    with (shop.root / "data/asks.csv").open("a") as asks:
        asks.writelines(f"{c},2026-01-09T09:00:00Z,9\n" for c in "ab")  # later than now is the reason, not immature
    said = ran(shop, "train", "back", "-o", "json")
    version = json.loads(said.out)["result"]
    # 30 of 42 labels are known, from day 1, 12:00 to day 6, 09:00. The last quarter begins at day 5, 09:00: of the day
    # before only what was asked at 09:00 is decided by then.
    assert (version["rows_train"], version["rows_validation"]) == (3 + 3 * 2 * 2 + 3, 9)
    none = {"no_time": 0, "later_than_now": 2, "null_label": 0, "label_before_source": 3, "not_sampled": 0}
    assert version["left_out"] == {**none, "immature_label": 9, "label_in_validation": 3}
    assert (
        json.loads(ran(shop, "models", "show", "back", "-o", "json").out)["result"]["left_out"] == version["left_out"]
    )


def test_train_says_what_it_leaves_out_while_it_works_and_at_its_end(shop):
    said = ran(shop, "train", "back")
    assert "fitted on 18 rows, 9 to judge it; 15 left out" in said.err
    reasons = (
        "9 rows whose label is not mature yet, 3 rows before the first event of the label's source, "
        "3 rows whose label ends after the validation begins"
    )
    assert f"\nleft out: {reasons}\n" in said.out
    assert f"left out     {reasons}\n" in ran(shop, "models", "show", "back").out


def test_without_the_source_of_the_label_nothing_is_written(shop):
    (shop.root / "data/orders.csv").unlink()
    assert "error[FC501]" in shop.fails(1, "training-set", "back", "--out", "o.parquet")


def test_a_training_set_as_a_delta_table_keeps_its_older_versions(shop):
    ran(shop, "training-set", "back", "--out", "o.delta", "--until", "2026-01-03T00:00:00Z")
    ran(shop, "training-set", "back", "--out", "o.delta")
    ran(shop, "training-set", "back", "--out", "o.parquet")
    assert pl.read_delta("o.delta").equals(pl.read_parquet("o.parquet"))
    assert pl.read_delta("o.delta", version=0).height == 12
    assert manifest("o.delta")["file"]["sha256"] == manifest("o.parquet")["file"]["sha256"]


def made_again(shop: Shop, name: str, *argv: str) -> bytes:
    """Make a training set again from the manifest of a file, and return its bytes."""
    out = f"again{Path(name).suffix}"
    done = ran(shop, "training-set", "--from-manifest", f"{name}.manifest.json", "--out", out, *argv)
    assert "; the same bytes" in done.out
    assert manifest(out) | {"options": None} == manifest(name) | {"options": None}
    return Path(out).read_bytes()


WAYS = [
    ("o.parquet", ["back"]),
    ("o.csv", ["back", "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-06T00:00:00Z", "--sample", "0.5",
               "--seed", "3"]),
    ("o.parquet", ["--features", "spend:*", "--spine", "asks.parquet", "--as-served"]),
    ("o.parquet", ["--features", "spend:count_1d,last_order:amount", "--spine", "spine.csv"]),
    ("o.parquet", ["back", "--inputs-only"]),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("name", "argv"), WAYS)
@pytest.mark.sample(1)
def test_a_manifest_makes_the_same_bytes_again_whatever_came_since(shop, name, argv):
    """New rows, a rebuilt table, another definition of the model, a new version of the view."""
    spine = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    spine.with_columns(tags=[["x"]]).write_parquet("asks.parquet")
    spine.write_csv("spine.csv")
    ran(shop, "training-set", *argv, "--out", name)
    first = Path(name).read_bytes()
    assert made_again(shop, name) == first
    with Path("data/orders.csv").open("a") as orders:
        orders.write("a,2026-01-07T11:00:00Z,100\nb,2026-01-07T12:00:00Z,200\n")
    ran(shop, "materialize", "--full")
    shop.change("objects.yaml", "horizon: 1d, expr: count > 0", "horizon: 2d, expr: count > 1")
    shop.change("objects.yaml", "refresh: 6h", "refresh: 6h\n    where: amount > 3")
    ran(shop, "apply", "--auto-approve")
    ran(shop, "materialize")
    assert made_again(shop, name) == first
    ran(shop, "training-set", *argv, "--out", name)
    assert Path(name).read_bytes() != first


@pytest.mark.long
def test_all_features_of_a_view_are_those_that_it_had(shop):
    """A feature that was added since stands in no set made again, be it over a column that the old table lacks."""
    command = ["training-set", "--features", "last_order:*", "--spine", "spine.csv", "--out"]
    again = ["training-set", "--from-manifest", "o.parquet.manifest.json", "--out", "again.parquet"]
    Path("spine.csv").write_text("customer,event_time\na,2026-01-03T00:00:00Z\n")
    ran(shop, *command, "o.parquet")
    shop.change("objects.yaml", "features: [amount]", "features: [amount, {name: twice, expr: amount * 2}]")
    for step in (["apply", "--auto-approve"], ["materialize"]):
        ran(shop, *step)
        assert "; the same bytes" in ran(shop, *again).out
        assert Path("again.parquet").read_bytes() == Path("o.parquet").read_bytes()
    ran(shop, *command, "p.parquet")
    assert pl.read_parquet("p.parquet").columns == ["customer", "event_time", "amount", "twice"]


def test_a_label_reads_its_source_until_the_manifest_s_watermark(shop):
    ran(shop, "training-set", "back", "--out", "o.parquet")
    shop.change("data/orders.csv", "2026-01-07T10:00:00Z,7.5", "2026-01-07T10:00:00Z,9.5")
    said = shop.fails(1, "training-set", "--from-manifest", "o.parquet.manifest.json", "--out", "p.parquet")
    assert (
        "error[FC520]: o.parquet.manifest.json can't be made again: source orders of the label has other rows" in said
    )


GONE = [
    ("spine asks.parquet has 3 rows, it had 42",
     lambda: pl.read_parquet("asks.parquet")[:3].write_parquet("asks.parquet")),
    ("spine asks.parquet has as many rows as it had, with other values",
     lambda: pl.read_parquet("asks.parquet").reverse().write_parquet("asks.parquet")),
    ("spine asks.parquet: no such file", lambda: Path("asks.parquet").unlink()),
    ("version 0 of the offline table of spend@1 is gone",
     lambda: [path.unlink() for path in Path(".featurectl/offline").rglob("spend/v1/bucket=*/*.parquet")]),  # type: ignore[func-returns-value]
]  # fmt: skip


@pytest.mark.parametrize(("told", "lose"), GONE, ids=[told for told, _ in GONE])
def test_what_is_gone_or_has_changed_is_named_exactly_and_nothing_written(shop, told, lose):
    asks = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    asks.write_parquet("asks.parquet")
    ran(shop, "training-set", "--features", "spend:*", "--spine", "asks.parquet", "--out", "o.parquet")
    lose()
    code = 64 if "no such file" in told else 1
    said = shop.fails(code, "training-set", "--from-manifest", "o.parquet.manifest.json", "--out", "p.parquet")
    assert told.replace("spine asks", "spine file asks" if code == 1 else "spine asks") in said
    assert ("FC520" in said) == (code == 1)


def test_a_spine_that_has_moved_is_read_where_it_is(shop):
    asks = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    asks.write_parquet("asks.parquet")
    ran(shop, "training-set", "--features", "spend:*", "--spine", "asks.parquet", "--out", "o.parquet")
    Path("asks.parquet").rename("moved.parquet")
    done = ran(
        shop, "training-set", "--from-manifest", "o.parquet.manifest.json", "--out", "p.parquet", "--spine",
        "moved.parquet",
    )  # fmt: skip
    assert "; the same bytes" in done.out
    assert manifest("p.parquet")["options"]["spine"] == "moved.parquet"


@pytest.mark.long
def test_other_libraries_may_make_other_bytes_which_is_told_and_exits_1(shop):
    ran(shop, "training-set", "back", "--out", "o.parquet")
    document = manifest("o.parquet")
    document["libraries"]["polars"] = "1.0.0"
    path = Path("o.parquet.manifest.json")
    path.write_text(json.dumps(document))
    assert shop.run("training-set", "--from-manifest", str(path), "--out", "p.parquet").code == 0
    document["file"]["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    done = shop.run("training-set", "--from-manifest", str(path), "--out", "p.parquet")
    assert done.code == 1
    assert f"other bytes: polars is {pl.__version__}, was 1.0.0" in done.out
    document["libraries"]["polars"] = pl.__version__
    path.write_text(json.dumps(document))
    done = shop.run("training-set", "--from-manifest", str(path), "--out", "p.parquet", "-o", "json")
    assert (done.code, json.loads(done.out)["result"]["same_bytes"]) == (1, False)


@pytest.mark.long
@pytest.mark.parametrize("name", ["o.parquet", "o.csv", "o.delta"])
@pytest.mark.sample(1)
def test_other_bytes_do_not_replace_the_original(shop, name):
    asks = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    asks.write_parquet("asks.parquet")
    ran(shop, "training-set", "--features", "spend:*", "--spine", "asks.parquet", "--out", name)
    with Path("data/orders.csv").open("a") as orders:
        orders.write("a,2026-01-03T11:00:00Z,100\n")
    ran(shop, "materialize", "--full")
    path, document = Path(f"{name}.manifest.json"), manifest(name)
    document["tables"]["spend@1"] += 1  # another table under the number that was pinned
    path.write_text(json.dumps(document))
    told, files = path.read_bytes(), {file: file.read_bytes() for file in data_files(name)}
    done = shop.run("training-set", "--from-manifest", str(path), "--out", name)
    assert (done.code, done.out.partition(";")[0]) == (1, f"{name}: left as it was, with the rows of the manifest")
    assert (path.read_bytes(), {file: file.read_bytes() for file in data_files(name)}) == (told, files)
    again = f"again{Path(name).suffix}"
    done = shop.run("training-set", "--from-manifest", str(path), "--out", again, "-o", "json")
    assert (done.code, json.loads(done.out)["result"]["written"], Path(again).exists()) == (1, True, True)


def data_files(name: str) -> list[Path]:
    """Return the files of an output: itself, or those of the folder that it is."""
    return [Path(name)] if Path(name).is_file() else [path for path in Path(name).rglob("*") if path.is_file()]


def test_values_as_served_are_not_made_again_by_another_refresh(shop):
    asks = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    asks.write_parquet("asks.parquet")
    argv = ["--features", "spend:*", "--spine", "asks.parquet"]
    ran(shop, "training-set", *argv, "--as-served", "--out", "o.parquet")
    ran(shop, "training-set", *argv, "--out", "exact.parquet")
    shop.change("objects.yaml", "refresh: 6h", "refresh: 10m")
    ran(shop, "apply", "--auto-approve")
    said = shop.fails(1, "training-set", "--from-manifest", "o.parquet.manifest.json", "--out", "p.parquet")
    assert (
        "can't be made again: its values are as served, and refresh of feature view spend@1 is 10m, it was 6h" in said
    )
    assert not Path("p.parquet").exists()
    made_again(shop, "exact.parquet")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["back"], "--from-manifest says itself what is asked for"),
        (["--since", "2026-01-01T00:00:00Z"], "--from-manifest says itself what is asked for"),
        (["--as-served"], "--from-manifest says itself what is asked for"),
        (["--out", "p.csv"], "--out p.csv: the manifest is of a file in parquet"),
        (["--from-manifest", "none.json"], "--from-manifest none.json: No such file"),
        (["--from-manifest", "objects.yaml"], "--from-manifest objects.yaml: no training set can be made from it"),
        (["--from-manifest", "old.json"], "--from-manifest old.json: no training set can be made from it"),
        (["--from-manifest", "list.json"], "--from-manifest list.json: no training set can be made from it"),
        (["--from-manifest", "model.json"], "--from-manifest model.json: no training set can be made from it"),
        (["--from-manifest", "deep.json"], "--from-manifest deep.json: no training set can be made from it"),
        (["--from-manifest", "drawn.json"], "--from-manifest drawn.json: no training set can be made from it"),
    ],
)
@pytest.mark.sample(3)
def test_a_manifest_that_can_not_be_used_is_refused(shop, argv, told):
    ran(shop, "training-set", "back", "--out", "o.parquet")
    Path("list.json").write_text("[1]")
    Path("model.json").write_text(json.dumps(manifest("o.parquet") | {"definition": {"name": 1}}))
    Path("deep.json").write_text("[" * 100_000)
    old = manifest("o.parquet")
    Path("drawn.json").write_text(json.dumps(old | {"spine": old["spine"] | {"seed": -1}}))
    del old["options"]
    Path("old.json").write_text(json.dumps(old))
    command = ["training-set", "--from-manifest", "o.parquet.manifest.json", "--out", "p.parquet", *argv]
    assert told in shop.fails(64, *command)


def test_as_served_answers_with_the_values_of_the_last_refresh(shop):
    """Refreshed at 06:00 and 12:00: what was ordered at 10:00 is not served at 11:00."""
    asks = [f"a,2026-01-02T{hour:02}:00:00Z" for hour in (9, 11, 12, 13)]
    Path("spine.csv").write_text("\n".join(["customer,event_time", *asks]) + "\n")
    command = ["training-set", "--features", "spend:count_1d", "--spine", "spine.csv", "--out", "o.csv"]
    ran(shop, *command)
    assert pl.read_csv("o.csv")["count_1d"].to_list() == [0, 1, 1, 1]
    ran(shop, *command, "--as-served")
    assert pl.read_csv("o.csv")["count_1d"].to_list() == [0, 0, 1, 1]
    assert manifest("o.csv")["options"]["as_served"] is True
    command[2] = "last_order:amount"
    assert "view last_order declares no `refresh`" in shop.fails(64, *command, "--as-served")


@pytest.mark.long
@pytest.mark.parametrize("more", [[], ["--inputs-only"]])
def test_a_training_set_larger_than_its_memory_is_the_same_file(shop, monkeypatch, more):
    ran(shop, "training-set", "back", "--out", "o.parquet", *more)
    monkeypatch.setattr("featurectl.cli.shared.call.Call.memory_bytes", lambda _: 1_000)
    ran(shop, "training-set", "back", "--out", "p.parquet", *more)
    assert Path("o.parquet").read_bytes() == Path("p.parquet").read_bytes()
    assert list(Path(".featurectl/spill").iterdir()) == []


def damaged(document):
    """Every manifest in which one value is of another kind, or gone."""
    for key, value in document.items():
        inside = value if isinstance(value, dict) and key != "definition" else {}
        for name in inside:
            for other in (None, {"a": 1}, "x@y"):
                yield {**document, key: {**inside, name: other}}
        for other in (None, {"a": 1}, 7, "x"):
            yield {**document, key: other}


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.stress)], ids=["a third", "all"])
@pytest.mark.long
def test_a_damaged_manifest_is_told_and_never_a_fault_of_ours(shop, capsys, step):
    """It is refused, or what it pins is gone, or it makes other bytes; where nothing depends on it, the same."""
    ran(shop, "training-set", "back", "--out", "o.parquet", "--until", "2026-01-02T00:00:00Z")
    codes = set()
    for document in islice(damaged(manifest("o.parquet")), 0, None, step):
        Path("m.json").write_text(json.dumps(document))
        code = main(["training-set", "--from-manifest", "m.json", "--out", "p.parquet", "-q"])
        said = capsys.readouterr()
        assert code in (0, 1, 64), (document, said.err)
        codes.add(code)
    assert codes == {0, 1, 64}


@pytest.mark.long
def test_a_label_that_counts_its_own_row_is_warned_of_where_it_is_made(shop):
    objects = (shop.root / "objects.yaml").read_text().replace(", {request: {n: int64}}", "")
    objects = objects.replace("source: asks\n      time: at", "source: orders\n      time: ordered_at")
    (shop.root / "objects.yaml").write_text(objects)
    told = "the label back counts the row itself (t <= event_time), so that `count > 0` is always true: `count > 1`"
    assert f"note[FC357]: {told}" in (said := ran(shop, "validate", "-v")).out + said.err
    ran(shop, "apply", "--auto-approve")
    for spine in ((), ("--spine", "orders")):
        assert f"warning: {told}" in ran(shop, "training-set", "back", *spine, "--out", "t.csv").err
    other = ("--spine", "data/asks.csv", "--time", "at")
    assert told not in ran(shop, "training-set", "back", *other, "--out", "t.csv").err
    assert f"warning: {told}" in shop.run("train", "back").err
