import json

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import TryAgainError
from featurectl.offline.delta import ViewTable
from featurectl.workspace.open import open_workspace
from tests.cli.shop import FILES
from tests.erasure.erased_people import bury, erase, erase_again, files_with, look

SPINE = "customer,event_time\nben,2026-01-08T00:00:00Z\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    for name, text in {**FILES, "spine.csv": SPINE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for command in (["apply", "--auto-approve", "-q"], ["materialize", "-q", "--no-online"]):
        assert main(command) == 0
    return tmp_path


def pins(root):
    with open_workspace(root, None, None) as workspace:
        return workspace.registry().read_pins("shop")


def test_a_person_leaves_the_tables_of_their_entity(shop):
    assert len(files_with(shop / "off", "ana")) == 3
    bury(shop, "customer", {"customer": "ana"})
    looked = look(shop)
    assert [(item.place, item.rows) for item in looked] == [
        ("offline table history@1", 2), ("offline table spend@1", 2),
    ]  # fmt: skip
    assert all(item.rewritten > 0 for item in looked)
    assert len(files_with(shop / "off", "ana")) == 3
    assert [(item.place, item.rows) for item in erase_again(shop)] == [(item.place, item.rows) for item in looked]
    assert look(shop) == erase_again(shop) == []
    assert [name.partition("/v1")[0] for name in files_with(shop / "off", "ana")] == ["shop/last_order"]
    erase(shop, "customer_day", customer="ana")
    assert files_with(shop / "off", "ana") == []


@pytest.mark.long
def test_pins_of_what_is_gone_are_removed_and_named(shop):
    command = ["training-set", "--features", "spend:*", "--spine", "spine.csv", "--out", "train.parquet", "-q"]
    assert main(command) == 0
    assert main(["materialize", "--full", "spend", "-q", "--no-online"]) == 0
    (shop / "orders.csv").write_text("\n".join(line for line in FILES["orders.csv"].splitlines() if "ana" not in line))
    assert main(["materialize", "--full", "spend", "-q", "--no-online"]) == 0
    assert main([*command[:-2], "later.parquet", "-q"]) == 0
    numbers = [json.loads((shop / f"{n}.parquet.manifest.json").read_text())["tables"] for n in ("train", "later")]
    assert numbers == [{"spend@1": 0}, {"spend@1": 2}]
    bury(shop, "customer", {"customer": "ana"})
    (found,) = [item for item in look(shop) if item.place.endswith("spend@1")]
    assert found.rows == 0
    assert "version 0 of the table is gone: manifest" in found.notes[1]
    assert found in erase_again(shop)
    assert [pin.table_version for pin in pins(shop)] == [2]


def test_a_table_that_others_write_meanwhile_is_cleaned_all_the_same(shop, monkeypatch):
    remove, tries = ViewTable.remove_erased, []

    def refused(self, *args):
        tries.append(self.shown)
        if len(tries) < 3:
            raise TryAgainError("another run has written")
        return remove(self, *args)

    monkeypatch.setattr(ViewTable, "remove_erased", refused)
    erase(shop, "customer", customer="ana")
    assert look(shop) == []
    assert len(tries) == 4
