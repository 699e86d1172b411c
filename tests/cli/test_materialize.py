"""One view that fails does not keep `materialize` from the others; what each came to is told."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.online.sqlite.store import SqliteStore
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: bad, path: bad.csv, event_time: at, columns: {k: string, at: timestamp, v: float64}}
  - {name: good, path: good.csv, event_time: at, columns: {k: string, at: timestamp, v: float64}}
  - name: far
    sql: {url: "${FAR:-sqlite:///far.db}", query: select * from rows}
    event_time: at
    columns: {k: string, at: timestamp, v: float64}
feature_views:
  - {name: a_bad, entity: key, source: bad, features: [v]}
  - {name: b_good, entity: key, source: good, features: [v]}
  - {name: c_bad, entity: key, source: bad, online: false, features: [v]}
  - {name: d_good, entity: key, source: good, online: false, features: [v]}
"""
FAR = "  - {name: e_far, entity: key, source: far, features: [v]}\n"
ROWS = "k,at,v\na,2026-01-01T00:00:00Z,1\nb,2026-01-02T00:00:00Z,2\n"
BAD = ROWS + "c,2026-01-03T00:00:00Z,much\n"
SAID = (
    "error[FC504]: source bad, file bad.csv: column 'v' has 1 value that can't be read as float64; "
    "first in line 4: 'much'"
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "good.csv": ROWS, "bad.csv": BAD}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def run(shop, capsys):  # noqa: ARG001  # after this fixture
    """A function that runs `materialize`, after an apply unless told otherwise: its exit code and its two streams."""

    def ran(*words, apply=True):
        if apply:
            assert main(["apply", "--auto-approve", "-q"]) == 0
        capsys.readouterr()
        code = main(["materialize", *words])
        return code, *capsys.readouterr()

    return ran


def views(out):
    return {view["view"]: view for view in json.loads(out)["result"]["views"]}


@pytest.mark.usefixtures("capsys")
def test_the_others_are_computed_and_pushed_and_every_failure_is_told(run):
    code, out, err = run()
    assert code == 1
    assert [line.split()[:3] for line in out.splitlines()[1:5]] == [
        ["a_bad@1", "FAILED", "-"],
        ["b_good@1", "first", "2"],
        ["c_bad@1", "FAILED", "-"],
        ["d_good@1", "first", "2"],
    ]
    assert out.endswith("\n2 of 4 tables changed, 4 rows written, 2 online rows sent, 2 views failed.\n")
    assert err.count("error[") == 1  # the same error of two views is told once
    assert err.endswith(f"{SAID}\n  = affects a_bad@1, c_bad@1\n")
    assert [line.rsplit(" (", 1)[0] for line in err.splitlines()[:4]] == [
        "a_bad@1: failed", "b_good@1: 2 rows read, 2 pushed", "c_bad@1: failed", "d_good@1: 2 rows read",
    ]  # fmt: skip
    assert main(["get", "b_good", "k=a", "-q"]) == 0


def test_json_holds_what_each_view_came_to_and_the_error(run):
    code, out, err = run("-o", "json", "-q")
    document = json.loads(out)
    assert (code, document["ok"], document["exit_code"], err) == (1, False, 1, "")
    found = views(out)
    assert [(name, view["action"]) for name, view in found.items()] == [
        ("a_bad", "failed"), ("b_good", "first"), ("c_bad", "failed"), ("d_good", "first"),
    ]  # fmt: skip
    assert found["a_bad"]["error"] == {"code": "FC504", "message": SAID.removeprefix("error[FC504]: "), "hint": ""}
    assert found["b_good"]["error"] is None
    assert (found["a_bad"]["rows_read"], found["a_bad"]["table_version"]) == (None, None)
    assert document["result"]["error"] == found["a_bad"]["error"]


def test_a_later_run_makes_up_for_what_failed(run, shop):
    run()
    (shop / "bad.csv").write_text(ROWS)
    code, out, _ = run("-o", "json")
    assert code == 0
    assert [view["action"] for view in views(out).values()] == ["first", "nothing", "first", "nothing"]


def test_when_all_fail_there_is_no_table(run):
    code, out, err = run("a_bad", "c_bad")
    assert (code, out) == (1, "")
    assert SAID in err


def test_an_unreachable_database_is_graver_than_bad_data_and_stops_no_view(run, shop, monkeypatch):
    (shop / "o.yaml").write_text(OBJECTS.replace("c_bad", "z_bad") + FAR)
    monkeypatch.setenv("FAR", "postgresql://127.0.0.1:1/far?connect_timeout=2")
    code, out, _ = run("-o", "json")
    assert code == 69
    found = views(out)
    assert {name: view["error"] and view["error"]["code"] for name, view in found.items()} == {
        "a_bad": "FC504", "b_good": None, "d_good": None, "e_far": "FC605", "z_bad": "FC504",
    }  # fmt: skip
    assert json.loads(out)["result"]["error"] == found["e_far"]["error"]


def test_an_unset_variable_of_one_source_keeps_no_other_view(run, shop):
    (shop / "o.yaml").write_text(OBJECTS.replace(":-sqlite:///far.db", "") + FAR)
    (shop / "bad.csv").write_text(ROWS)
    code, out, err = run()
    assert code == 64
    assert "4 of 5 tables changed" in out
    assert "the environment variable FAR is not set" in err
    assert "  = affects e_far@1\n" in err


def test_nothing_is_tried_any_more_once_the_online_store_fails(run, shop):
    (shop / "bad.csv").write_text(ROWS)
    run("--no-online")
    (shop / "on.db").write_text("no database, and long enough to be looked at" * 50)
    code, out, err = run("--full", "-o", "json", apply=False)
    assert code == 69
    found = views(out)
    assert [view["action"] for view in found.values()] == ["rebuild", "skipped", "skipped", "skipped"]
    assert found["a_bad"]["error"]["code"] == "FC602"
    assert (found["a_bad"]["rows_written"], found["a_bad"]["online_rows_sent"]) == (2, None)
    assert "a_bad@1: 2 rows read, push failed" in err


def test_a_push_that_fails_after_others_shows_what_was_done(run, shop, monkeypatch):
    (shop / "bad.csv").write_text(ROWS)
    write = SqliteStore.write_push_record

    def fails_at_b(store, view, record, none_after=None):
        if view.view == "b_good":
            raise StoreError("the online store sqlite:///on.db can't be used: disk full", code="FC602")
        write(store, view, record, none_after)

    monkeypatch.setattr(SqliteStore, "write_push_record", fails_at_b)
    code, out, _ = run()
    assert code == 69
    assert [line.split()[:2] for line in out.splitlines()[1:5]] == [
        ["a_bad@1", "first"], ["b_good@1", "first"], ["c_bad@1", "not"], ["d_good@1", "not"],
    ]  # fmt: skip
    assert "FAILED" in out.splitlines()[2]
    assert out.endswith("2 online rows sent, 1 view failed, 2 views not tried.\n")


@pytest.mark.usefixtures("run")
def test_an_address_that_is_none_is_told_before_anything_is_read(shop):
    assert main(["apply", "--auto-approve", "-q"]) == 0
    path = shop / "featurectl.yaml"
    path.write_text(path.read_text().replace('"sqlite:///on.db"', '"${NOWHERE}"'))
    assert main(["materialize", "-q"]) == 64
    assert not (shop / "off/shop").exists()
    assert main(["materialize", "--no-online", "b_good", "-q"]) == 0
