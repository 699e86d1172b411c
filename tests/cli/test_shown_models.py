"""What `models list` and `models show` tell of trained versions."""

from __future__ import annotations

import re

import pytest

from tests.cli.train_shop import make_shop


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return make_shop(tmp_path, capsys)


def test_the_versions_of_one_model_are_listed(shop):
    shop.make()
    assert shop.run("models", "list", "m").out == "Model m is not trained yet: featurectl train m\n"
    shop.run("train", "m")
    assert [item["version"] for item in shop.json("models", "list", "m", "--uses", "v:half")["versions"]] == [1]
    assert 'did you mean "m"' in shop.run("models", "list", "mm", code=64).err


def test_fingerprints_and_table_versions_are_told_apart(shop):
    shop.make()
    shop.run("train", "m")
    shown = shop.json("models", "show", "m")
    assert {"input_fingerprint"} == {key for item in shown["inputs"] for key in item if "fingerprint" in key}
    assert {"fingerprint"} == {key for item in shown["manifest"]["inputs"] for key in item if "fingerprint" in key}
    assert re.search(r"^tables +v@1 at table version 0$", shop.run("models", "show", "m").out, re.MULTILINE)
