"""What `featurectl erase` says and does: who is meant, what is left, and what the registry knows of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.erasure.all_places import PLACES
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.registry.file import read_state
from tests.cli.golden import assert_golden
from tests.erasure.erased_people import bury
from tests.erasure.test_files_of_models import salted
from tests.model_shop import Shop, objects, open_shop

CLOCK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        opened.run("train", "m", "--again")
        opened.run("push")
        yield opened


def erased(shop: Shop) -> list[tuple[str, tuple[str, ...], bool]]:
    """Entity, keys and whether it is done, of each tombstone."""
    state = read_state(shop.root / "r.db", "shop")
    assert state is not None
    return [(item.entity, item.keys, item.done_at is not None) for item in state.erasures.tombstones]


def test_a_dry_run_says_what_there_is_and_leaves_all_as_it_is(shop: Shop):
    before = {path: path.read_bytes() for path in shop.root.rglob("*") if path.is_file()}
    document = json.loads(shop.run("erase", "key", "k=k1", "--dry-run", "-o", "json").out)["result"]
    assert (document["dry_run"], document["entity"], document["keys"], document["until"]) == (True, "key", ["k"], None)
    assert document["bytes_rewritten"] == sum(place["bytes_rewritten"] for place in document["places"])
    assert "rows beside model m@1" in {place["place"] for place in document["places"]}
    after = {path: path.read_bytes() for path in shop.root.rglob("*") if path.is_file()}
    assert after == before
    assert erased(shop) == []


def test_places_of_a_dry_run_know_of_the_erasure_as_those_of_an_erasure_do(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[list[int], list[int]]] = []

    class Seeing:
        def look(self, request: ErasureRequest) -> list[PlaceFindings]:
            known = request.target.state.erasures.tombstones
            seen.append(([item.number for item in known], [item.number for item in request.erasures.tombstones]))
            return []

        erase = look

    monkeypatch.setattr("featurectl.erasure.erase.PLACES", {"attic": Seeing})
    shop.run("erase", "key", "k=k1", "--dry-run")
    shop.run("erase", "key", "k=k1")
    shop.run("erase", "key", "k=k2", "--dry-run")
    [tried], [first, again], [second] = seen[:1], seen[1:3], seen[3:]
    assert tried[0] == tried[1]
    assert first == again == (first[1], first[1])
    assert second == ([*first[1], *second[1]], second[1])
    assert [len(each[1]) for each in seen] == [1, 1, 1, 1]


@pytest.mark.long
def test_it_is_done_once_and_may_be_done_again(shop: Shop):
    document = json.loads(shop.run("erase", "key", "k=k1", "-o", "json").out)["result"]
    assert document["until"] is not None
    assert erased(shop) == [("key", ("k",), True)]
    assert "one key by k" in shop.run("history").out
    assert "k1" not in shop.run("history", "-o", "json").out
    again = json.loads(shop.run("erase", "key", "k=k1", "-o", "json").out)["result"]
    assert again["places"] == []
    assert again["until"] > document["until"]
    assert erased(shop) == [("key", ("k",), True)] * 2
    assert json.loads(shop.run("erase", "--again", "-o", "json").out)["result"]["places"] == []


@pytest.mark.long
def test_a_place_that_fails_keeps_no_other_and_leaves_it_undone(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    class Broken:
        def look(self, _: object) -> list[object]:
            return []

        def erase(self, _: object) -> list[object]:
            raise StoreError("the disk is full", code="FC603")

    monkeypatch.setattr("featurectl.erasure.erase.PLACES", {"attic": Broken, **PLACES})
    said = shop.run("erase", "key", "k=k1", code=69)
    assert "the disk is full" in said.err
    assert "rows beside model m@1" in said.out
    assert erased(shop) == [("key", ("k",), False)]
    assert "1 erasure is not finished: `featurectl erase --again`" in shop.run("status").out
    monkeypatch.setattr("featurectl.erasure.erase.PLACES", PLACES)
    shop.run("erase", "--again")
    assert erased(shop) == [("key", ("k",), True)]
    assert "erasure" not in shop.run("status").out


@pytest.mark.long
def test_golden_rows_of_before_keep_an_erasure_that_was_cut_open(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("featurectl.operations.training.train.with_keys", salted)
    shop.run("train", "m", "--again")
    bury(shop.root, "key", {"k": "k1"})  # and it was killed
    said = shop.run("erase", "--again").out
    assert "rows beside model m@2: of an erasure that was cut its golden rows may stay" in said
    assert "rows beside model m@1: " not in said
    assert erased(shop) == [("key", ("k",), False)]
    assert "says where a key is to be erased once more" in shop.run("status").out
    shop.run("erase", "key", "k=k1")
    assert erased(shop) == [("key", ("k",), True)] * 2


def test_get_answers_no_row_that_a_restored_store_brings_back(shop: Shop):
    copy = {path: path.read_bytes() for path in shop.root.glob("on.db*")}
    known = json.loads(shop.run("get", "v", "k=k1", "-o", "json").out)["result"]
    assert known["features"]["qty"]["value"] is not None
    shop.run("erase", "key", "k=k1")
    for path, content in copy.items():
        path.write_bytes(content)
    for key, is_there in (("k1", False), ("k2", True)):
        found = json.loads(shop.run("get", "v", f"k={key}", "-o", "json").out)["result"]
        assert (found["features"]["qty"]["value"] is not None) == is_there
    shop.run("push")
    assert "NOT_FOUND" in shop.run("get", "v", "k=k1").out


@pytest.mark.long
def test_a_registry_that_is_older_than_an_erasure_is_named(shop: Shop):
    copy = (shop.root / "r.db").read_bytes()
    shop.run("erase", "key", "k=k1")
    (shop.root / "r.db").write_bytes(copy)
    said = shop.run("erase", "key", "k=k2").out
    assert "that this registry does not know: if the registry was restored from before, erase again" in said
    assert "does not know" not in shop.run("erase", "key", "k=k3").out


@pytest.mark.long
def test_other_entities_that_have_the_key_are_named(shop: Shop):
    shared = "entities: [{name: visit, keys: {k: string, place: int64}}, {name: place, keys: {place: int64}}]\n"
    (shop.root / "more.yaml").write_text(shared)
    shop.run("apply", "--auto-approve")
    said = json.loads(shop.run("erase", "key", "k=k1", "-o", "json").out)["result"]["out_of_reach"]
    assert [text for text in said if text.startswith("entity ")] == [
        "entity visit, which has the key k, too: `featurectl erase visit k=...`"
    ]
    said = json.loads(shop.run("erase", "visit", "place=1", "--dry-run", "-o", "json").out)["result"]["out_of_reach"]
    assert [text for text in said if text.startswith("entity ")] == [
        "entity place, which has the key place, too: `featurectl erase place place=...`"
    ]


@pytest.mark.long
def test_tables_of_other_entities_that_have_the_key_by_any_name_are_named(shop: Shop):
    views = """
entities: [{name: tag, keys: {kind: string}}]
feature_views:
  - {name: by_tag, entity: tag, source: s, features: [qty, {name: who, expr: lower(k)}]}
"""
    (shop.root / "more.yaml").write_text(views)
    shop.run("apply", "--auto-approve")
    said = json.loads(shop.run("erase", "key", "k=k1", "-o", "json").out)["result"]["out_of_reach"]
    [named] = [text for text in said if text.startswith("table ")]
    assert named.startswith("table by_tag@1: its column who may have the key as a value; delete it in the source")


@pytest.mark.long
def test_an_environment_with_a_registry_of_its_own_hears_what_to_do(shop: Shop):
    text = (shop.root / "featurectl.yaml").read_text()
    own = text.splitlines()[-1].replace("dev:", "own:").replace("r.db", "own.db").replace("on.db", "own-on.db")
    (shop.root / "featurectl.yaml").write_text(f"{text}{own}\n")
    shop.run("apply", "--env", "own", "--auto-approve")
    shop.run("erase", "key", "k=k1")
    for words in (["materialize"], ["push"]):
        said = shop.run(*words, "--env", "own", code=69).err
        assert "FC619" in said
        assert "or an environment with another registry has the table, too" in said
        assert "erase here what was erased since, or there: featurectl erase ENTITY KEY=VALUE" in said
    shop.run("erase", "key", "k=k1", "--env", "own")
    shop.run("materialize", "--env", "own")
    shop.run("push", "--env", "own")
    assert "NOT_FOUND" in shop.run("get", "v", "k=k1", "--env", "own").out
    shop.run("materialize")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "whose rows? name an entity and its key"),
        (("key",), "which key? no key is given"),
        (("kay", "k=1"), "no entity 'kay' is applied in project shop"),
        (("key", "q=1"), "entity key has no key 'q'"),
        (("key", "k1"), "entity key has no key 'k1'"),
        (("key", "k=1", "k=2"), "key k is given twice"),
        (("key", "k="), "key k is empty: whose rows?"),
        (("--again",), "nothing was erased in project shop"),
        (("key", "k=1", "--again"), "--again takes no entity"),
    ],
)
def test_what_is_meant_is_asked_for_before_anything_is_touched(shop: Shop, words: tuple[str, ...], said: str):
    assert said in shop.run("erase", *words, code=64).err
    assert erased(shop) == []


@pytest.mark.usefixtures("shop")
def test_what_it_prints(capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert main(["erase", "key", "k=k1", "--dry-run"]) == 0
    first = capsys.readouterr()
    assert main(["erase", "key", "k=k1"]) == 0
    second = capsys.readouterr()
    text = f"{first.out}\n--\n{second.out}\n-- on stderr\n{second.err}"
    assert_golden("erase.txt", CLOCK.sub("TIME", text))
