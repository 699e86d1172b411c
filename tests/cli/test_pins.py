"""A training set pins the table versions that its manifest names."""

import json

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.registry.base import Pin
from featurectl.registry.sql import SqlRegistry
from featurectl.workspace.open import open_workspace
from tests.cli.shop import FILES

SPINE = "customer,event_time\nana,2026-01-08T00:00:00Z\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    for name, text in {**FILES, "spine.csv": SPINE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for command in (["apply", "--auto-approve", "-q"], ["materialize", "-q", "--no-online"]):
        assert main(command) == 0
    return tmp_path


def training_set():
    return main(["training-set", "--features", "spend:*", "--spine", "spine.csv", "--out", "train.parquet", "-q"])


def pins(root):
    with open_workspace(root, None, None) as workspace:
        return workspace.registry().read_pins("shop")


def test_the_versions_of_a_manifest_are_pinned_once(shop):
    assert training_set() == training_set() == 0
    (found,) = pins(shop)
    tables = json.loads((shop / "train.parquet.manifest.json").read_text())["tables"]
    assert tables == {"spend@1": 0}
    assert (found.view, found.version, found.table_version) == ("spend", 1, 0)
    assert found.holder.startswith("manifest ")
    assert main(["materialize", "spend", "--full", "-q", "--no-online"]) == 0
    assert training_set() == 0
    assert sorted(pin.table_version for pin in pins(shop)) == [0, 1]


@pytest.mark.long
def test_what_is_pinned_or_trained_on_is_kept_by_the_vacuum(shop, monkeypatch):
    assert training_set() == 0
    kept = []
    monkeypatch.setattr("featurectl.offline.delta.ViewTable.vacuum", lambda _, versions: kept.append(set(versions)))
    with open_workspace(shop, None, None) as workspace:
        other = [
            Pin(view="spend", version=2, table_version=7, holder="x"),
            Pin(view="v", version=1, table_version=8, holder="x"),
        ]
        workspace.registry().write_pins("shop", other)
    assert main(["materialize", "--full", "-q", "--no-online"]) == 0
    assert sorted(map(sorted, kept)) == [[], [], [0]]


def test_an_unwritable_registry_is_reported_and_the_training_set_is_made(shop, monkeypatch, capsys):
    def refuse(*_):
        raise StoreError("the registry is read-only", code="FC601")

    monkeypatch.setattr("featurectl.registry.file.write_pins", lambda *_: False)
    monkeypatch.setattr(SqlRegistry, "write_pins", refuse)
    capsys.readouterr()
    assert main(["training-set", "--features", "spend:*", "--spine", "spine.csv", "--out", "train.parquet"]) == 0
    assert "warning: the table versions of the manifest are not pinned" in capsys.readouterr().err
    assert (shop / "train.parquet").exists()
