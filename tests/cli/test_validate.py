"""`validate`, `schema` and `explain`, and how problems are drawn."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.language.problems.codes import CODES
from featurectl.render.paint import STYLES
from tests.language.repository import BASE, write_repo

ROOT = Path(__file__).parents[2]

SPEND = """feature_views:
  - name: spend
    entity: carrier
    source: arrivals
    aggregates:
      - column: delay
        windw: [7d]
        op: mean
    derived:
      - {name: x, expr: "coalesce(1, 0)"}
  - name: inbound
    entity: carier
    source: flights
    where: "distance > 10 and\\torigin < '日本'"
    features: [distance]
"""

DRAWN = """\
repo/views/spend.yaml:7:9: error[FC102]: unknown key "windw" in aggregate "delay"
  |
6 |       - column: delay
7 |         windw: [7d]
  |         ^^^^^ did you mean "windows"?
  |
  = keys: op, windows, column, name, n, q, where, offset, default, freshness, description, aliases

repo/views/spend.yaml:12:13: error[FC201]: no entity "carier"
   |
11 |   - name: inbound
12 |     entity: carier
   |             ^^^^^^ did you mean "carrier"?
   |
   = entity "carrier" is declared here: repo/base.yaml:3:12

2 errors in 1 of 3 files. Nothing was changed.
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A broken repository in `repo`, below the caller's folder."""
    base = (
        BASE[: BASE.index("  - {name: airports,")] + BASE[BASE.index("feature_views:") : BASE.index("  - {name: facts")]
    )
    write_repo(tmp_path / "repo", {"base.yaml": base, "views/spend.yaml": SPEND})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


@pytest.mark.usefixtures("broken")
def test_problems_are_drawn_with_the_line_the_caret_and_what_is_allowed(capsys):
    assert main(["validate", "-C", "repo"]) == 1
    found = capsys.readouterr()
    assert found.err == DRAWN
    assert found.out == ""


def test_paths_are_relative_to_the_callers_folder(broken, capsys, monkeypatch):
    monkeypatch.chdir(broken / "repo" / "views")
    assert main(["validate", "-o", "concise"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        'spend.yaml:7:9: error[FC102]: unknown key "windw" in aggregate "delay" (did you mean "windows"?)',
        'spend.yaml:12:13: error[FC201]: no entity "carier" (did you mean "carrier"?)',
    ]


@pytest.mark.usefixtures("broken")
def test_json_is_one_document_with_every_place(capsys):
    assert main(["validate", "-C", "repo", "-o", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["exit_code"], document["command"]) == (False, 1, "validate")
    first, second = document["problems"]
    assert first == {
        "code": "FC102",
        "severity": "error",
        "message": 'unknown key "windw" in aggregate "delay"',
        "path": "repo/views/spend.yaml",
        "line": 7,
        "column": 9,
        "end_column": 14,
        "suggestion": 'did you mean "windows"?',
        "notes": ["keys: op, windows, column, name, n, q, where, offset, default, freshness, description, aliases"],
        "related": [],
    }
    assert second["related"] == [
        {"path": "repo/base.yaml", "line": 3, "column": 12, "message": 'entity "carrier" is declared here'}
    ]


def test_github_gets_annotations_and_a_table(broken, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(broken / "summary.md"))
    assert main(["validate", "-C", "repo", "-o", "github"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("::error file=repo/views/spend.yaml,line=7,col=9,title=FC102,endColumn=14::unknown key")
    assert "%0Adid you mean" in second
    assert "| error | FC102 | `repo/views/spend.yaml:7:9` | unknown key" in (broken / "summary.md").read_text()


def test_github_gets_at_most_nine_annotations_and_a_count(tmp_path, capsys):
    text = "entities:\n" + "".join(f"  - {{name: e{n}, keys: {{k{n}: x}}}}\n" for n in range(12))
    write_repo(tmp_path, {"x.yaml": text})
    assert main(["validate", "-C", str(tmp_path), "-o", "github"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "::error title=featurectl::3 more"


def test_the_caret_stands_below_wide_characters(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = BASE + "  - {name: v, source: flights, features: [{name: x, expr: \"if(origin = '日本', 1, distence)\"}]}\n"
    write_repo(tmp_path, {"base.yaml": text})
    assert main(["validate", "-q"]) == 1
    lines = capsys.readouterr().err.splitlines()
    caret = next(n for n, line in enumerate(lines) if "^" in line)
    before = lines[caret - 1][: lines[caret - 1].index("distence")]
    assert lines[caret].index("^") == len(before) + 2  # two characters that are two columns wide each
    assert lines[caret].count("^") == len("distence")


@pytest.mark.usefixtures("broken", "monkeypatch")
def test_colors_are_drawn_only_when_wanted(capsys):
    assert main(["validate", "-C", "repo", "--color", "always"]) == 1
    colored = capsys.readouterr().err
    assert f"\x1b[{STYLES['error']}merror[FC102]\x1b[0m" in colored
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == DRAWN


def test_a_valid_repository_says_what_it_holds(tmp_path, capsys):
    write_repo(tmp_path, {"base.yaml": BASE})
    assert main(["validate", "-C", str(tmp_path)]) == 0
    found = capsys.readouterr()
    assert found.out == "7 objects in 2 files are valid: 2 entities, 3 sources, 2 feature views.\n"
    assert found.err == "1 note in 1 of 2 files. -v lists the notes (FC351).\n"
    assert main(["validate", "-C", str(tmp_path), "-q"]) == 0
    assert capsys.readouterr().err == ""


STATIC = """sources:
  - {name: planes, path: a.csv, columns: {tailnum: string, seats: int64, built: date}}
  - {name: routes, path: a.csv, columns: {route: string, updated_at: timestamp}}
feature_views:
  - {name: v, source: planes, features: [seats]}
  - {name: w, source: planes, features: [built]}
"""


def test_a_static_source_is_noted_once_and_warned_of_for_a_column_of_time(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_repo(tmp_path, {"x.yaml": STATIC})
    planes = 'x.yaml:2:12: note[FC351]: source "planes" has no event_time: its rows count as known since ever'
    routes = 'x.yaml:3:12: warning[FC351]: source "routes" has no event_time: its rows count as known since ever'
    assert main(["validate", "--no-data", "-o", "concise"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [routes]
    assert main(["validate", "--no-data", "-v", "-o", "concise"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [planes, routes]
    assert main(["validate", "--no-data"]) == 0
    shown = capsys.readouterr().err
    assert planes not in shown
    assert '= column "updated_at" looks like the time of a row: declare event_time: updated_at' in shown
    assert shown.endswith("\n1 warning and 1 note in 1 of 2 files. -v lists the notes (FC351).\n")
    assert main(["validate", "--no-data", "-v"]) == 0
    shown = capsys.readouterr().err
    assert "= right for what never changes; rows that are edited need an event_time" in shown
    assert "\n1 warning and 1 note in 1 of 2 files.\n" in shown
    assert main(["validate", "--no-data", "-o", "json"]) == 0
    assert [p["severity"] for p in json.loads(capsys.readouterr().out)["problems"]] == ["note", "warning"]


def test_github_gets_notes_as_notices_when_asked(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    write_repo(tmp_path, {"x.yaml": STATIC})
    assert main(["validate", "--no-data", "-C", str(tmp_path), "-o", "github"]) == 0
    assert "notice" not in capsys.readouterr().out
    assert "planes" not in (tmp_path / "summary.md").read_text()
    assert main(["validate", "--no-data", "-C", str(tmp_path), "-v", "-o", "github"]) == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("::warning ")
    assert second.startswith("::notice ")
    assert "planes" in (tmp_path / "summary.md").read_text()


def test_an_unknown_environment_is_wrong_usage(tmp_path, capsys):
    write_repo(tmp_path, {"base.yaml": BASE})
    assert main(["validate", "-C", str(tmp_path), "--env", "prd"]) == 64
    assert "environments: dev" in capsys.readouterr().err


def test_a_missing_file_of_a_source_is_found_unless_data_is_not_looked_at(tmp_path, capsys):
    write_repo(tmp_path, {"x.yaml": "sources:\n  - {name: s, path: no.parquet, event_time: at, delay: 1m}\n"})
    assert main(["validate", "-C", str(tmp_path), "-o", "concise"]) == 1
    assert "x.yaml:2:21: error[FC501]" in capsys.readouterr().out
    assert main(["validate", "-C", str(tmp_path), "--no-data"]) == 0


@pytest.mark.parametrize("path", ["no.csv", "data/*.csv", "no.ndjson", "no", "data/no/**/*.parquet", "empty", "data"])
@pytest.mark.parametrize("columns", ["", ", columns: {at: timestamp}"])
def test_a_missing_file_is_found_whether_columns_are_declared_or_not(path, columns, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    write_repo(tmp_path, {"x.yaml": f'sources:\n  - {{name: s, path: "{path}", event_time: at, delay: 1m{columns}}}\n'})
    assert main(["validate", "-C", str(tmp_path), "-o", "json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == ("FC501", 2, 21)
    assert path in problem["message"]
    assert main(["validate", "-C", str(tmp_path), "--no-data"]) == 0


@pytest.mark.parametrize(
    ("path", "pack"), [("x.csv", bytes), ("*.csv", bytes), ("x.csv", gzip.compress), ("x.parquet", None)]
)
def test_a_declared_column_that_no_file_has_is_found_once(path, pack, tmp_path, capsys):
    declared = "columns: {at: timestamp, usr: string, more: int64}"
    write_repo(
        tmp_path,
        {"x.yaml": "entities: [{name: user, keys: {user: string}}]\n"
                   f'sources: [{{name: s, path: "{path}", event_time: at, delay: 1m, {declared}}}]\n'
                   "feature_views: [{name: v, entity: user, source: s, features: [more]}]\n"},
    )  # fmt: skip
    if pack is None:
        pl.DataFrame(schema={"at": pl.Datetime, "user": pl.String, "more": pl.Int64}).write_parquet(
            tmp_path / "x.parquet"
        )
    else:
        (tmp_path / "x.csv").write_bytes(pack(b'\xef\xbb\xbfat,"user",more\n'))
        (tmp_path / "a.csv").write_bytes(pack(b"at,user\n"))
    assert main(["validate", "-C", str(tmp_path), "-o", "json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["code"], problem["message"]) == ("FC503", f'{path} has no column "usr"')
    assert (problem["line"], problem["suggestion"]) == (2, 'did you mean "user"?')
    assert main(["validate", "-C", str(tmp_path), "--no-data"]) == 1  # by the view
    (tmp_path / "x.yaml").write_text((tmp_path / "x.yaml").read_text().replace("usr", "user"))
    assert main(["validate", "-C", str(tmp_path)]) == 0


@pytest.mark.parametrize("path", ["${DATA}/x.csv", "s3://bucket/x.csv", "data/x.csv", "data/*.csv"])
def test_a_file_that_is_there_or_elsewhere_is_not_missed(path, tmp_path):
    text = f'sources:\n  - {{name: s, path: "{path}", event_time: at, delay: 1m, columns: {{at: timestamp}}}}\n'
    write_repo(tmp_path, {"x.yaml": text, "data/x.csv": "at\n"})
    assert main(["validate", "-C", str(tmp_path)]) == 0


def test_a_plan_needs_no_data_where_columns_are_declared(tmp_path, capsys):
    text = "sources:\n  - {name: s, path: no.csv, event_time: at, delay: 1m, columns: {at: timestamp}}\n"
    write_repo(tmp_path, {"x.yaml": text})
    assert main(["plan", "-C", str(tmp_path)]) == 0
    assert "+ source s  new" in capsys.readouterr().out


def test_columns_that_are_declared_need_no_polars(tmp_path):
    write_repo(tmp_path, {"base.yaml": BASE})
    code = "import sys; from featurectl.cli.main import main; main(['validate']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "featurectl.language.load" in loaded
    assert loaded & {"polars", "numpy", "sqlalchemy", "redis", "jinja2", "deltalake"} == set()


def test_explain_says_what_a_code_means(capsys):
    assert main(["explain", "fc102"]) == 0
    assert capsys.readouterr().out.startswith("FC102: an unknown key\n\n")
    assert main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CODES)
    assert main(["explain", "FC999"]) == 64


def test_every_code_that_is_used_is_explained():
    used = set()
    for path in (ROOT / "featurectl").rglob("*.py"):
        used |= set(re.findall(r'"(FC\d\d\d)"', path.read_text()))
    assert used - set(CODES) == set()


def test_what_an_environment_does_not_run_is_refused_by_plan_and_apply(tmp_path, capsys):
    project = """
project: p
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
  prod: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", engine: {type: spark}}
"""
    write_repo(
        tmp_path, {"featurectl.yaml": project, "base.yaml": BASE.replace("path: data/airports.parquet", "path: a.csv")}
    )
    for command in (["plan"], ["apply", "--auto-approve"]):
        assert main([*command, "-C", str(tmp_path), "--env", "prod"]) == 1
        assert "the engine spark is not in this version" in capsys.readouterr().err
        assert main([*command, "-C", str(tmp_path)]) == 0
        assert "spark" not in capsys.readouterr().err


def test_a_source_without_a_place_or_format_is_not_looked_for(tmp_path, capsys):
    text = "sources:\n  - {name: s}\n  - {name: t, path: data/x.xlsx}\n"
    write_repo(tmp_path, {"a.yaml": text})
    assert main(["validate", "-o", "json", "-C", str(tmp_path)]) == 1
    found = [problem["code"] for problem in json.loads(capsys.readouterr().out)["problems"]]
    assert found == ["FC107", "FC104"]


def test_a_default_of_another_type_is_shown_as_it_is_written(tmp_path, capsys):
    view = "  - {name: v, entity: carrier, source: flights, features: [{name: distance, default: true}]}\n"
    write_repo(tmp_path, {"a.yaml": BASE, "b.yaml": f"feature_views:\n{view}"})
    assert main(["validate", "--no-data", "-C", str(tmp_path)]) == 1
    assert 'the default of "distance" is no int64: true' in capsys.readouterr().err
