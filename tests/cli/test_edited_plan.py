"""A saved plan whose file somebody has edited, with a digest that is right again: it writes nowhere."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.offline.delta import DeltaStore
from tests.cli.test_plan_apply_history import OBJECTS, repo, run

__all__ = ["repo"]


@pytest.fixture
def plan(repo, capsys):  # noqa: ARG001  # after this fixture
    """Return what saves a plan and gives its body."""

    def make(*options):
        run(capsys, "plan", "--out", "p.json", *options)
        return json.loads(Path("p.json").read_text())["plan"]

    return make


def apply(capsys, body, *options):
    plain = json.dumps(body, ensure_ascii=False)
    head = {"featurectl_plan": 1, "sha256": hashlib.sha256(plain.encode()).hexdigest()}
    Path("q.json").write_text(json.dumps(head | {"plan": body}, ensure_ascii=False))
    return run(capsys, "apply", "q.json", *options)


def written(body, kind):
    return next(s["item"] for s in body["stages"] if s["action"] == "write" and s["item"]["kind"] == kind)


def refused(capsys, body):
    code, out, err = apply(capsys, body)
    assert (code, out, err.startswith("error: q.json ")) == (64, "", True), err
    assert not Path(".featurectl").exists()
    return err


def test_a_change_is_what_its_definitions_make_it(repo, plan, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / "objects.yaml").write_text(OBJECTS.replace("aggregates:", "where: amount > 1\n    aggregates:"))
    body = plan()
    (change,) = (c for c in body["changes"] if c["kind"] == "breaking")
    change |= {"kind": "metadata", "new_version": 1}
    item = written(body, "feature_view")
    item["version"] = 1
    assert apply(capsys, body)[0] == 64
    item["version"], change["kind"], change["new_version"] = 7, "breaking", 7
    assert apply(capsys, body)[0] == 64
    assert run(capsys, "apply", "p.json")[0] == 0


@pytest.mark.parametrize("name", ["../../../evil", "Spend", "", "a b", "spend\n", 7])
def test_a_name_in_the_file_is_a_name_of_the_language(plan, capsys, name):
    body = plan()
    for stage in body["stages"]:
        if stage["item"] and stage["item"]["kind"] == "feature_view":
            stage["item"]["name"] = stage["item"]["definition"]["name"] = name
    for change in body["changes"]:
        if change["object"] == "feature_view":
            change["name"] = name
    refused(capsys, body)


def test_a_table_lies_in_the_offline_location_whatever_its_view_is_called(tmp_path):
    for name in ("../../evil", "/evil", "a/b", ".", "spend\n"):
        with pytest.raises(StoreError, match="is no name of a view"):
            DeltaStore(str(tmp_path), "shop").table(name, 1, {})


WRONG = {
    "no aggregates": lambda b: written(b, "feature_view")["definition"].update(features=7),
    "an owner that is a number": lambda b: written(b, "feature_view")["definition"].update(about={"owner": 7}),
    "no expression": lambda b: written(b, "feature_view")["definition"].update(where="amount >"),
    "an unknown column": lambda b: written(b, "feature_view")["definition"].update(where="nothing > 1"),
    "a hash of another": lambda b: written(b, "feature_view").update(data="0" * 64),
    "an unknown kind": lambda b: written(b, "entity").update(kind="table"),
    "another version": lambda b: written(b, "feature_view").update(version=2),
    "a version without end": lambda b: written(b, "feature_view").update(version=1e400),
    "a serial that is a text": lambda b: b.update(serial="0"),
    "stages that are none": lambda b: b.update(stages=[1]),
    "no stages": lambda b: b.update(stages=[]),
    "changes that are none": lambda b: b.update(changes={"a": 1}),
    "an instant that is none": lambda b: b["changes"][0].update(effort={"since": 7}),
    "a commit that is none": lambda b: b.update(applied=[1]),
    "a field too many": lambda b: b["changes"][0].update(more=1),
    "other terms": lambda b: b.update(selected=[None]),
    "a deep definition": lambda b: written(b, "entity").update(definition=deep(900)),
}


def deep(levels):
    found = {}
    for _ in range(levels):
        found = {"a": found}
    return found


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_the_language_can_not_say_is_no_plan(plan, capsys, change):
    body = plan()
    change(body)
    refused(capsys, body)


@pytest.mark.usefixtures("repo")
def test_a_plan_is_a_regular_file_of_a_bounded_size(capsys):
    os.mkfifo("pipe")
    Path("deep").write_text('{"a":' * 50_000 + "1" + "}" * 50_000)
    with Path("large").open("wb") as file:
        file.truncate(1 << 40)
    told = {name: run(capsys, "apply", name) for name in ("/dev/zero", "pipe", "deep", "large", "data")}
    assert {code for code, _, _ in told.values()} == {64}
    assert told["/dev/zero"][2] == "error: the plan /dev/zero can't be read: it is a device, no regular file\n"
    assert told["pipe"][2] == "error: the plan pipe can't be read: it is a pipe, no regular file\n"
    assert told["deep"][2].splitlines()[0] == "error: deep is no saved plan"
    assert told["large"][2].startswith("error: the plan large can't be read: ")
