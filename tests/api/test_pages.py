"""Single results read as their commands print them, in a terminal and in a notebook."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import polars as pl
import pytest

import featurectl
from featurectl.api.pages import ReadsAsPage
from featurectl.api.project import _words
from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.render.screen import text_width

HOSTILE = "<script>alert(1)</script>\x1b[31m&"


@pytest.fixture
def wide(monkeypatch) -> None:
    """A terminal in which nothing is cut."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("show spend", lambda p: p.show("spend")),
        ("show spend:count_7d", lambda p: p.show("spend:count_7d")),
        ("lineage history", lambda p: p.lineage("history")),
        ("lineage", lambda p: p.lineage()),
        ("why spend customer=c1", lambda p: p.why("spend", customer="c1")),
        ("models show big", lambda p: p.models.show("big")),
        ("models diff big@1 big@1", lambda p: p.models.diff("big@1", "big@1")),
        ("plan", lambda p: p.plan()),
        ("plan", lambda p: p.plan().plan),
        ("list", lambda p: p.list()),
        ("history", lambda p: p.history()),
        ("list features", lambda p: p.list("features")),
        ("search percentile", lambda p: p.search("percentile")),
        ("status", lambda p: p.status()),
        ("status --checks", lambda p: p.checks()),
        ("models list", lambda p: p.models.list()),
    ],
)
@pytest.mark.sample(5)
def test_a_result_reads_as_its_command_prints_it(shared_project, capsys, words, call):
    capsys.readouterr()
    main([*words.split(), "--color", "never"])
    printed = capsys.readouterr().out.rstrip("\n")
    found = call(shared_project)
    assert repr(found) == str(found) == _words().of(printed, "apply")
    assert not set(re.findall(r"featurectl ([a-z-]+)", repr(found) + found._repr_html_())) & _words().methods.keys()


def test_what_changes_a_model_reads_as_its_command_prints_it(project):
    trained = project.train("big")
    head = "big version 2: 3 inputs, trained on 41 rows, validated on the last 14\nleft out: 5 rows without a label\n"
    assert repr(trained).startswith(head)
    assert trained.left_out["null_label"] == 5
    assert repr(project.models.promote("big@2")).splitlines()[-1].startswith("big version 2 is the champion, in place")
    assert repr(project.models.rollback("big")) == "big: the champion is version 1 again, in place of version 2."
    assert repr(project.models.retire("big@2", dry_run=True)).endswith("\n1 version would be retired.")
    assert repr(project.models.retire("big@2")).endswith("\n1 version retired.")


@pytest.mark.long
def test_a_version_is_carried_into_another_environment(project):
    files = Path("featurectl.yaml")
    text = files.read_text()
    prod = text.splitlines()[-1].replace("dev:", "prod:").replace(".db", "2.db").replace("off,", "off2,")
    files.write_text(f"{text.rstrip()}\n{prod}\n")
    there = featurectl.open_project(env="prod")
    there.apply()
    there.materialize()
    project.train("big")
    done = project.models.promote_to("big@2", "prod")
    assert repr(done).splitlines()[0].startswith("big version 2 of dev is big version 1 in prod; its ")
    assert repr(done).splitlines()[-1] == "big version 1 is the champion."
    assert "<table>" in done._repr_html_()
    assert there.models.show("big").origin["environment"] == "dev"
    with pytest.raises(UsageError, match=r'^env="dev": it is there'):
        project.models.promote_to("big@2", "dev")


def test_an_object_of_a_table_reads_by_its_fields(shared_project):
    row = shared_project.status()[0]
    lines = repr(row).splitlines()
    assert lines[:3] == ["kind            view", "name            history", "verdict         OK"]
    assert not any("None" in line for line in lines)
    assert all(hasattr(row, line.split()[0]) for line in lines)
    assert row._repr_html_().count("<tr>") == len(lines)
    assert "made.table_version" in repr(shared_project.materialize("history")[0])
    assert repr(shared_project.list("views")[0]).startswith("kind        view\nname        history\n")
    assert row == shared_project.status()[0] == pickle.loads(pickle.dumps(row))  # noqa: S301  # of this test


def test_what_is_not_there_yet_is_said_in_pythons_words(shared_project):
    early = featurectl.open_project(as_of="2026-01-05T00:00:00Z")
    with pytest.warns(UserWarning, match=r": offline=True computes those of an instant in the past\.$") as caught:
        found = early.get("spend", {"customer": "c1"})
    assert (found["count_7d"], caught[0].filename) == (None, __file__)
    assert early.get("spend", {"customer": "c1"}, offline=True)["count_7d"] > 0
    assert shared_project.get("spend", {"customer": "c1"})["computed_at"] is not None
    assert 'project.show("spend:amount_sum_7d", sample=1000)' in repr(shared_project.show("spend:amount_sum_7d"))


def test_lines_are_at_most_100_columns_where_no_terminal_is(shared_project, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    for found in (shared_project.show("spend"), shared_project.why("spend", customer="c1")):
        assert max(text_width(line) for line in repr(found).splitlines()) <= 100
    monkeypatch.setenv("COLUMNS", "60")
    assert max(text_width(line) for line in repr(shared_project.show("spend")).splitlines()) <= 60


def test_statistics_of_one_feature_are_drawn_with_bars(shared_project):
    one = shared_project.stats("spend:count_7d")
    assert "█" in repr(one)
    assert "<table>" in one._repr_html_()
    assert "█" in one._repr_html_()
    assert repr(shared_project.stats("spend")).startswith("2 rows")


def test_a_notebook_draws_tables_of_a_page(shared_project):
    html = shared_project.show("spend")._repr_html_()
    assert html.count("<table>") == 3  # facts, features, versions
    assert "-- model big" in html
    assert "<table>" in shared_project.why("spend")._repr_html_()
    assert "feature spend:count_7d" in shared_project.lineage("spend:count_7d")._repr_html_()


def test_texts_of_a_repository_are_no_html_and_no_escapes(project):
    files = Path("objects.yaml")
    text = files.read_text().replace("What a customer spends.", '"<script>alert(1)</script>\\e[31m&"')
    files.write_text(text.replace("description: Will the next order be a big one?", "description: <b>now</b>"))
    change = project.plan()
    project.apply()
    detail = project.show("spend")
    assert detail.summary.description == HOSTILE
    for found in (detail, change, project.show("big"), project.search("script")):
        html = found._repr_html_()
        assert "<script" not in html
        assert "<b>" not in html
        assert "\x1b" not in html + repr(found)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m&amp;" in detail._repr_html_()


def test_a_project_says_in_a_line_where_it_is(shared_project):
    assert repr(shared_project).startswith(f"featurectl project {shared_project.root}, its first environment: ")
    other = featurectl.open_project(env="dev", as_of="2026-01-20T00:00:00Z")
    assert ", environment dev as of 2026-01-20T00:00:00Z: " in repr(other)


def test_every_single_result_of_a_method_reads_as_a_page():
    """A new method that returns a dataclass as it is would read as a wall."""
    import dataclasses
    import typing

    from featurectl.api import project as namespace

    for kind in (featurectl.Project, *namespace.PARTS.values()):
        for name in dir(kind):
            method = getattr(kind, name)
            if name.startswith("_") or not callable(method) or name in ("workspace", "open_progress"):
                continue
            module = __import__(method.__module__, fromlist=["x"])
            returned = typing.get_type_hints(method, vars(module) | vars(namespace)).get("return")
            assert not dataclasses.is_dataclass(returned) or issubclass(returned, ReadsAsPage), name


def test_an_item_answers_by_the_names_of_its_columns(shared_project):
    for table in (
        shared_project.materialize("spend", online=False, dry_run=True),
        shared_project.list(),
        shared_project.status(),
        shared_project.history(),
    ):
        for item in (table[0], pickle.loads(pickle.dumps(table[0])), table[:1][0]):  # noqa: S301  # what it has made
            assert all(hasattr(item, column) for column in table.to_polars().columns)
            with pytest.raises(AttributeError, match="has no attribute 'nope'"):
                item.nope  # noqa: B018  # that is the test


def test_statistics_that_no_model_has_say_how_to_compute_them(shared_project):
    found = shared_project.stats("last_order")
    assert list(found) == []
    assert "no model was trained on it" in repr(found)
    assert 'project.show("last_order", sample=1000)' in repr(found)


def test_statistics_of_times_read_as_times_and_are_numbers_in_frames(shared_project):
    found = shared_project.stats("last_order", sample=5)
    assert " 2026-01-" in str(found)
    assert found.to_polars()["min"].dtype == pl.Float64
