"""Every command as a method, with what it returns and how it reads in a notebook."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import typer

import featurectl
from featurectl.api.project import _words
from featurectl.api.wording import OTHER_ARGUMENTS
from featurectl.cli.all_commands import build_app
from featurectl.cli.main import main
from featurectl.errors import PartsFailedError, PlanError, ProblemsError, UsageError
from tests.catalog.shop import write_files
from tests.docs.test_reference import generate


def of_command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, object]:
    """Return the result of a command."""
    capsys.readouterr()
    assert main([*words, "-o", "json"]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out)["result"]
    return found


@pytest.mark.long
def test_a_project_goes_from_files_to_scores_in_python(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    project = featurectl.open_project()
    assert [problem.severity for problem in project.validate()] == ["warning"]
    assert repr(project.validate()).startswith("11 objects in 2 files are valid: 2 entities, ")
    assert {change.name for change in project.plan()} >= {"spend", "big"}
    applied = project.apply()
    assert len(applied) == 11
    assert repr(applied).endswith("\nApplied to dev, serial 1: 11 added.")
    assert len(project.apply()) == 0
    assert {run.view for run in project.materialize()} == {"spend", "last_order", "history"}
    assert project.materialize(["spend"], full=True)[0].made.action == "rebuild"
    assert project.push().to_polars()["view"].to_list() == ["last_order", "spend"]
    version = project.train("big")
    assert (version.version, version.status) == (1, "registered")
    assert project.models.show("big").version == 1
    assert project.score("big").rows.height == 60
    assert [entry.command for entry in project.history()][-1] == "apply"


def test_looking_is_what_the_commands_say(project, capsys):
    assert project.list("views").to_polars().to_dicts() == [
        {**item, **{name: ", ".join(item[name]) for name in ("used_by", "tags", "aliases")}}
        for item in of_command(capsys, "list", "views")["objects"]
    ]
    assert project.show("spend:per_order").summary.definition == "amount_sum_7d / count_7d"
    assert [hit.object.name for hit in project.search("percentile")] == ["spend:high_3d_offset_1d"]
    assert len(project.lineage().edges) > len(project.lineage("history").edges)
    stats = project.stats("spend").to_polars()
    assert stats["feature"].to_list() == ["spend:count_7d", "spend:per_order"]
    assert {"50%", "nulls", "distinct"} <= set(stats.columns)
    assert len(project.stats("spend", sample=10)) == 7
    assert project.list(select="tag:money")[0].name == "spend"


@pytest.mark.long
def test_watching_is_what_the_commands_say(project, capsys):
    rows = of_command(capsys, "status", code=1)["rows"]
    found = project.status()
    assert [(row.name, row.verdict) for row in found] == [(row["name"], row["state"]) for row in rows]
    assert project.checks().to_polars()["check"].to_list() == ["customer not_null"]
    drift = project.drift("big", batch="orders")
    assert {row.feature for row in drift} == {"per_order", "n", "before", "score"}
    assert sum(skew.differences for skew in project.verify_store()) == 0
    assert project.why("spend", customer="c1").values.words == ("customer=c1",)
    assert project.models.list().to_polars()["aliases"].to_list() == ["champion"]
    assert project.models.card("big").startswith("#")
    assert project.models.diff("big@1", "big@1").differ("metrics") == []


@pytest.mark.parametrize(
    ("words", "of", "call"),
    [
        ("status", "rows", lambda p: p.status()),
        ("status --checks", "checks", lambda p: p.checks()),
        ("verify --store", "views", lambda p: p.verify_store()),
        ("monitor drift big --batch orders", "rows", lambda p: p.drift("big", batch="orders")),
        ("materialize spend --full", "views", lambda p: p.materialize("spend", full=True)),
        ("push", "views", lambda p: p.push()),
        ("push --dry-run", "views", lambda p: p.push(dry_run=True)),
        ("materialize --dry-run", "views", lambda p: p.materialize(dry_run=True)),
        ("history", "entries", lambda p: p.history()),
        ("list views", "objects", lambda p: p.list("views")),
    ],
)
@pytest.mark.sample(3)
def test_frames_of_results_have_the_fields_of_the_commands_json(project, capsys, words, of, call):
    frame = call(project).to_polars()
    capsys.readouterr()
    assert main([*words.split(), "-o", "json"]) in (0, 1)
    row = set(json.loads(capsys.readouterr().out)["result"][of][0]) - {"results"}  # what is many itself
    assert row <= set(frame.columns)
    assert set(frame.columns) - row <= {"model", "version"}


def test_models_are_promoted_rolled_back_exported_and_retired(project, tmp_path):
    project.train("big")
    assert project.models.promote("big@2").is_moved
    assert project.models.rollback("big").champion == 1
    assert "model.onnx" in " ".join(project.models.export("big", tmp_path / "out"))
    assert project.models.retire("big@2", dry_run=True).versions
    with pytest.raises(UsageError):
        project.models.show("big@9")


def test_what_is_over_is_removed(project):
    with pytest.raises(UsageError, match="one of them at a time"):
        project.push("spend", remove="spend@1")
    with pytest.raises(UsageError, match="spend@1"):
        project.push(remove="spend@1")
    assert repr(project.clean(dry_run=True)) == "Nothing to remove."
    with pytest.raises(UsageError, match="less than a day"):
        project.clean(older_than="2h")
    assert "Out of reach:" in repr(project.erase("customer", {"customer": "nobody"}, dry_run=True))
    with pytest.raises(UsageError, match=r"keys='c1' is no mapping"):
        project.erase("customer", "c1")
    with pytest.raises(UsageError, match="nothing was erased"):
        project.erase(again=True)
    with project.workspace() as workspace, workspace.registry().lock(workspace.project, "ana@host") as lock_id:
        assert project.unlock(lock_id).holder == "ana@host"
    with pytest.raises(UsageError):
        project.unlock("x")


def test_a_training_is_done_again_and_registered_only_if_asked(project):
    again = project.train("big", from_version=1)
    assert (again.comparison.same_bytes, again.is_registered, again.again.version) == (True, False, 1)
    assert repr(again) == "big version 1 once more: the same metrics, the same bytes"
    assert len(project.models.list()) == 1
    assert project.train("big", from_version=1, register=True).version == 2
    with pytest.raises(UsageError, match="register goes with from_version"):
        project.train("big", register=True)


def test_what_is_made_of_the_same_is_trained_once_unless_asked_again(project):
    assert project.train("big").is_new
    same = project.train("big")
    assert (same.version, same.is_new, len(project.models.list("big"))) == (2, False, 2)
    said = 'nothing was trained; project.train("big", again=True) trains it all the same'
    assert repr(same).splitlines()[1] == said
    again = project.train("big", again=True)
    assert (again.version, again.is_new) == (3, True)
    with pytest.raises(UsageError, match="from_version trains again anyway"):
        project.train("big", from_version=1, again=True)


def test_a_training_set_may_hold_inputs_and_label_alone(project):
    rows, manifest = project.training_set("big", inputs_only=True)
    assert rows.columns == [*(item["name"] for item in manifest["inputs"]), manifest["label"]["name"]]
    assert manifest["others"] == []


def test_rows_of_a_manifest_are_made_again(project, tmp_path):
    first = project.training_set("big")
    assert main(["training-set", "big", "--out", str(tmp_path / "t.parquet")]) == 0
    made = project.training_set(from_manifest=tmp_path / "t.parquet.manifest.json")
    assert made.rows.equals(first.rows)
    with pytest.raises(UsageError, match="says itself what is asked for"):
        project.training_set("big", from_manifest=tmp_path / "t.parquet.manifest.json")
    with pytest.raises(UsageError, match="no training set can be made from it"):
        project.training_set(from_manifest=Path("objects.yaml"))


def test_alerts_are_looked_at_silenced_and_tried(project):
    seen = project.alerts.check(dry_run=True)
    assert seen.dry_run
    assert {item.after.alert for item in seen.evaluations} <= {alert.name for alert in project.list("alerts")}
    with pytest.raises(UsageError, match="leave one of them out"):
        project.alerts.check(dry_run=True, again=True)
    name = project.list("alerts")[0].name
    silence = project.alerts.silence(name, "2h", reason="upgrade")
    assert project.alerts.silences().to_polars()["id"].to_list() == [silence.id]
    assert f"Silence {silence.id} of {name} until" in repr(silence)
    assert project.alerts.end_silence(silence.id).id == silence.id
    assert repr(project.alerts.silences()) == "Nothing is silenced."
    with pytest.raises(UsageError, match="no length of time"):
        project.alerts.silence(name, "soon")
    with pytest.raises(UsageError, match="which version"):
        project.models.canary.start("big@")
    assert project.models.canary.status("big") is None


def test_a_change_that_is_blocked_is_an_error_and_is_lifted_by_name(project):
    text = Path("objects.yaml").read_text()
    without_model = text[: text.index("models:")] + text[text.index("deployments:") :]
    Path("objects.yaml").write_text(
        "\n".join(line for line in without_model.splitlines() if "name: history" not in line)
    )
    assert {(change.name, change.kind) for change in project.plan()} == {
        ("big", "removed"), ("history", "removed"), ("nightly", "removed"),
    }  # fmt: skip
    with pytest.raises(PlanError):
        project.apply()
    assert project.plan(allow_remove=["history", "big", "nightly"]).plan.blocked == ()
    assert {change.name for change in project.apply(allow_remove=["history", "big", "nightly"])} == {
        "big",
        "history",
        "nightly",
    }


def test_a_part_that_fails_is_an_error_that_holds_what_was_done(project):
    Path("more.yaml").write_text(
        """
sources: [{name: gone, path: gone.csv, event_time: at, columns: {customer: string, at: timestamp, x: int64}}]
feature_views: [{name: lost, entity: customer, source: gone, features: [x]}]
"""
    )
    project.apply()
    with pytest.raises(PartsFailedError, match=r"1 view failed: lost@1: .*gone.csv") as caught:
        project.materialize()
    assert {run.view for run in caught.value.results if run.done} == {"spend", "last_order", "history"}


def test_errors_of_files_read_well_in_a_notebook(project):
    Path("objects.yaml").write_text(Path("objects.yaml").read_text().replace("windows: [7d]", "windws: [7d]"))
    with pytest.raises(ProblemsError) as caught:
        project.plan()
    lines = caught.value._render_traceback_()
    assert lines[0].startswith("ProblemsError: ")
    assert any("objects.yaml:" in line and 'did you mean "windows"' in line for line in lines)
    with pytest.raises(UsageError) as other:
        project.get("spent")
    assert other.value._render_traceback_()[0] == f"UsageError: {other.value.message}"
    assert "did you mean" in other.value._render_traceback_()[1]


def test_results_are_drawn_as_tables_and_are_frames(project):
    found = project.list("features")
    html = found._repr_html_()
    assert "spend:count_7d" in html
    assert html.count("<tr>") >= len(found)
    assert repr(found).endswith("\n11 features.")
    assert repr(found[:2]).endswith("\n2 features.")
    assert repr(project.history()).startswith("serial  when (UTC)")
    assert found.to_pandas().shape == (11, len(found.to_polars().columns))
    assert found.to_arrow().num_rows == 11
    assert found[:2] == project.list("features")[:2]
    assert project.list(select="spend")[0:0]._repr_html_() == "<pre>no rows</pre>"
    hostile = "<script>alert(1)</script>"
    Path("objects.yaml").write_text(Path("objects.yaml").read_text().replace("Who buys.", hostile))
    project.apply()
    assert hostile not in project.list("entities")._repr_html_()


def test_progress_is_logged_where_it_is_asked_for_and_silent_else(project, caplog, capsys):
    caplog.set_level(logging.INFO, "featurectl")
    project.materialize("spend", full=True)
    assert (caplog.records, capsys.readouterr()) == ([], ("", ""))
    featurectl.open_project(progress=True).materialize("spend", full=True)
    assert any("spend@" in record.message for record in caplog.records)
    Path("objects.yaml").write_text(Path("objects.yaml").read_text().replace("Who buys.", "Anybody."))
    featurectl.open_project(progress=True).materialize("spend")
    assert any(record.message.endswith("which is used here: project.plan()") for record in caplog.records)


def test_every_command_and_option_has_its_place_in_python_or_a_reason():
    """A new command or option is a method or an argument, or the page of the project says why not."""
    words = _words()
    without, unnamed = set(), set()
    for name, command in generate.commands(typer.main.get_command(build_app())):
        method = words.methods.get(name)
        if method is None:
            without.add(name)
            continue
        known = words.arguments_of(method)
        for param in command.params:
            if param.param_type_name != "option" or param.name in {*generate.COMMON, "help"}:
                continue
            if getattr(param, "hidden", False):  # what rendered files alone give
                continue
            options = [option.removeprefix("--") for option in param.opts if option.startswith("--")]
            named = {OTHER_ARGUMENTS.get((method, option), option.replace("-", "_")) for option in options}
            if not any(key in known or key.removeprefix("no_") in known for key in named):
                unnamed.add(f"{name} --{options[0]}")
    assert without == generate.NO_METHOD.keys()
    of_all = tuple(name for name in generate.NO_ARGUMENT if name.startswith("--"))
    reasons = {name for name in generate.NO_ARGUMENT if not name.startswith("--")}
    assert {name for name in unnamed if not name.endswith(of_all)} == reasons


def test_frames_of_polars_are_compared(project):
    """A frame in and the file of the same rows give the same."""
    rows = project.training_set("big").rows
    assert isinstance(rows, pl.DataFrame)


def test_rows_with_keys_of_which_no_view_has_a_row_are_warned_of(shared_project):
    spine = pl.DataFrame({"customer": ["c1", "nobody"], "ordered_at": [datetime(2026, 1, 15, tzinfo=UTC)] * 2})
    told = "^1 of 2 rows has a customer of which no view has a row$"
    with pytest.warns(UserWarning, match=told):
        shared_project.score("big", spine=spine)
    made = shared_project.training_set("big", spine=spine)
    assert made.manifest["unknown"] == [{"keys": ["customer"], "rows": 1}]
    assert made.notes == ("1 of 2 rows has a customer of which no view has a row",)
    assert repr(made).endswith(made.notes[0])
    assert f"<p>{made.notes[0]}</p>" in made._repr_html_()
    assert shared_project.training_set("big", spine=spine[:1]).notes == ()
    assert "unknown" not in shared_project.training_set("big", spine=spine[:1]).manifest
