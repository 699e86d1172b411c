"""What `verify` says after an erasure: nothing, for a key that was erased is no difference."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.erasure.erased_people import bury, erase
from tests.erasure.small_project import PEOPLE, random_rows, run
from tests.erasure.test_materialize import project

FILES = [random_rows(20, random.Random(3), step * 2) for step in range(2)]


def verified(root: Path, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert main(["verify", "--store", "-C", str(root), "-o", "json"]) == code
    return json.loads(capsys.readouterr().out)["result"]


@pytest.mark.long
@pytest.mark.parametrize("is_pushed", [True, False], ids=["pushed again", "not pushed again"])
@pytest.mark.sample(1)
def test_an_erased_key_is_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str], is_pushed: bool):  # noqa: FBT001  # a case of the test
    root = project(tmp_path, FILES)
    run(root, "materialize")
    verified(root, capsys)
    erase(root, "person", person=PEOPLE[0])
    verified(root, capsys)  # the store still has their rows, which no client answers
    if is_pushed:
        run(root, "push")
        verified(root, capsys)


@pytest.mark.long
def test_the_tables_of_before_are_compared_without_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = project(tmp_path, FILES)
    run(root, "materialize")
    bury(root, "person", {"person": PEOPLE[0]})
    run(root, "materialize", "--full", "--no-online", "spend", "last")
    verified(root, capsys)
