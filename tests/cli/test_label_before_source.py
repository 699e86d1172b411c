"""Labels of rows before the first event that the files of a label's source hold: null, counted and told."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl

from tests.cli.test_training_set import ORDERS, asked, manifest, ran, shop  # noqa: F401


def test_labels_of_files_that_are_gone_are_null_and_no_zeros(shop):  # noqa: F811
    """The tables keep what they have read; a label counts what lies in the files."""
    shop.change("objects.yaml", "path: data/orders.csv", "path: data/orders/*.csv")
    (shop.root / "data/orders").mkdir()
    for name, orders in (("old", ORDERS[:4]), ("new", ORDERS[4:])):
        (shop.root / f"data/orders/{name}.csv").write_text("\n".join(["customer,ordered_at,amount", *orders]) + "\n")
    ran(shop, "apply", "--auto-approve")
    ran(shop, "training-set", "back", "--out", "whole.parquet")
    (shop.root / "data/orders/old.csv").unlink()
    said = ran(shop, "training-set", "back", "--out", "less.parquet")
    assert "warning: 21 rows are before the first event that source orders holds now (2026-01-04 10:00)" in said.err
    whole, less = pl.read_parquet("whole.parquet"), pl.read_parquet("less.parquet")
    known = pl.col("at") >= datetime(2026, 1, 4, 10, tzinfo=UTC)
    assert less["back"].to_list() == whole.select(pl.when(known).then("back")).to_series().to_list()
    assert (whole["back"].null_count(), less["back"].null_count()) == (12, 30)


def test_a_manifest_of_before_such_labels_were_null_is_made_again(shop):  # noqa: F811
    ran(shop, "training-set", "back", "--out", "o.parquet")
    written = manifest("o.parquet")
    for key in ("before_source", "first_event"):
        written["label"].pop(key)
    (shop.root / "old.manifest.json").write_text(json.dumps(written))
    shop.run("training-set", "--from-manifest", "old.manifest.json", "--out", "again.parquet")
    assert pl.read_parquet("again.parquet")["back"].null_count() == written["label"]["immature"]
