"""Two environments of one registry, each with a folder of its own: an erasure in one is said of the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.erasure.erased_people import files_with
from tests.model_shop import Shop, objects, open_shop

SAID = "files of models: restored from before an erasure, or of an environment that was not cleaned"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        opened.run("train", "m")
        yield opened


def add_environment(shop: Shop) -> None:
    """Add the environment `two`, whose folder is a copy of the first one's."""
    text = (shop.root / "featurectl.yaml").read_text()
    other = text.splitlines()[-1].replace("dev:", "two:").replace("on.db", "two.db").replace("off,", "off2,")
    (shop.root / "featurectl.yaml").write_text(f"{text}{other}\n")
    shutil.copytree(shop.root / "off", shop.root / "off2")


def places(shop: Shop, env: str, code: int) -> list[str]:
    document = json.loads(shop.run("status", "--env", env, "-o", "json", code=code).out)
    found: list[str] = document["result"]["restored_places"]
    return found


def test_a_copy_of_models_in_another_folder_is_said_until_it_is_cleaned(shop: Shop):
    add_environment(shop)
    assert files_with(shop.root / "off2/models", "k1")
    shop.run("erase", "key", "k=k1")
    assert files_with(shop.root / "off/models", "k1") == []
    assert places(shop, "dev", 0) == []
    assert files_with(shop.root / "off2/models", "k1")
    assert places(shop, "two", 1) == ["files of models"]
    assert SAID in shop.run("status", "--env", "two", code=1).out
    shop.run("erase", "--again", "--env", "two")
    assert files_with(shop.root / "off2", "k1") == []
    assert places(shop, "two", 1) == []
    named = {path.name for path in (shop.root / "off/models/m").iterdir()}
    assert {path.name for path in (shop.root / "off2/models/m").iterdir()} == named


@pytest.mark.long
def test_a_restored_folder_of_models_is_said(shop: Shop):
    shutil.copytree(shop.root / "off/models", shop.root / "backup")
    shop.run("erase", "key", "k=k1")
    assert places(shop, "dev", 0) == []
    shutil.rmtree(shop.root / "off/models")
    shutil.copytree(shop.root / "backup", shop.root / "off/models")
    assert places(shop, "dev", 0) == ["files of models"]
    shop.run("erase", "--again")
    assert places(shop, "dev", 0) == []


def test_nothing_is_said_of_the_files_of_a_model_that_was_trained_since(shop: Shop):
    shop.run("erase", "key", "k=k1")
    shop.run("train", "m")
    assert places(shop, "dev", 0) == []
