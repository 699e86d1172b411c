"""Each output of `test`, against golden files and what the readers of each need."""

from __future__ import annotations

import json
import re

import pytest

from featurectl.cli.main import main
from tests.cli.golden import assert_golden
from tests.cli.junit_schema import read_junit
from tests.language.repository import BASE, write_repo

OUTPUTS = {"text": "txt", "json": "json", "github": "github", "junit": "xml"}
PASSING = """tests:
  - name: a report counts once it is in
    view: delays
    rows:
      - {carrier: AA, at: 2026-01-01T08:00:00Z, seen: 2026-01-01T11:00:00Z, delay: 20}
    spine:
      - {carrier: AA, time: 2026-01-01T10:59:59Z}
      - {carrier: AA, time: 2026-01-01T11:00:00Z}
    expect:
      - {count_1d: 0, delay_mean_1d: null}
      - {count_1d: 1, delay_mean_1d: 20}
"""
FAILING = """tests:
  - name: the mean of <three> "delays" & 日本
    view: delays
    rows:
      - {carrier: AA, at: 2026-01-01T08:00:00Z, delay: 10}
      - {carrier: AA, at: 2026-01-01T09:00:00Z, delay: 10}
      - {carrier: AA, at: 2026-01-01T10:00:00Z, delay: 11}
    spine:
      - {carrier: AA, time: 2026-01-01T12:00:00Z}
      - {carrier: BB, time: 2026-01-01T12:00:00Z}
      - {carrier: AA, time: 2026-01-09T12:00:00Z}
    expect:
      - {count_1d: 3, delay_mean_1d: 10.333, delay_mean_7d: 10.333333333333334}
      - {count_1d: 0, delay_mean_1d: null}
      - {count_1d: 1, delay_mean_1d: 0, trend: null}
  - name: names
    view: facts
    rows:
      - {airport: JFK, alt: 13, name: 日本}
    spine:
      - {airport: JFK, time: 2026-01-01T00:00:00Z}
    expect:
      - {name: "7", alt: 12}
  - name: a transform
    view: made
    rows: []
    spine: [{carrier: AA, time: 2026-01-01T00:00:00Z}]
    expect: [{x: 0}]
"""
MODEL = """models:
  - name: late
    spine: {source: flights, time: at, label: {name: is_late, expr: arr_delay > 15}}
    features:
      - {view: delays, prefix: c_, features: [count_1d]}
      - {view: facts, join: {airport: origin}, features: [alt]}
      - {view: made, prefix: m_, features: [x]}
tests:
  - name: of two sources
    model: late
    rows:
      arrivals: [{carrier: AA, at: 2026-01-01T08:00:00Z, delay: 20}]
      airports: [{airport: JFK, alt: 13}]
    spine: [{carrier: AA, origin: JFK, arr_delay: 20, time: 2026-01-01T12:00:00Z}]
    expect: [{c_count_1d: 1, alt: 12, is_late: false}]
  - name: of a view that does not run
    model: late
    rows: []
    spine: [{carrier: AA, time: 2026-01-01T12:00:00Z}]
    expect: [{m_x: 0}]
feature_views:
  - {name: made, entity: carrier, source: arrivals, transform: "made.py:make", features: [{name: x, type: int64}]}
"""
MADE = """feature_views:
  - {name: made, entity: carrier, source: arrivals, transform: "made.py:make", features: [{name: x, type: int64}]}
"""
MAKE = {"made.py": "def make(arrivals):\n    return arrivals.no_such_method()\n"}
FILES = {"base.yaml": BASE, "made.yaml": MADE, "tests/a.yaml": PASSING, "tests/b.yaml": FAILING} | MAKE


@pytest.fixture
def below(tmp_path, monkeypatch):
    """A folder with a repository in `repo`, as the caller's folder; writes the files and returns the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def write(files):
        (tmp_path / "repo" / "data").mkdir(parents=True)
        for name in re.findall(r"path: (data/\S+?)[,\s]", files["base.yaml"]):
            assert name.endswith(".parquet")
            import polars as pl

            pl.DataFrame({"airport": ["JFK"], "alt": [1], "name": ["x"]}).write_parquet(tmp_path / "repo" / name)
        write_repo(tmp_path / "repo", files)
        return tmp_path

    return write


def output_of(capsys, output, *more, code):
    """What `test` prints in an output."""
    assert main(["test", "-C", "repo", "-o", output, *more]) == code
    found = capsys.readouterr()
    assert "-v" in more or found.err == ""
    return found.out


@pytest.mark.parametrize("output", OUTPUTS)
def test_tests_that_fail_look_like_this(below, capsys, output):
    below(FILES)
    assert_golden(f"test_failing.{OUTPUTS[output]}", output_of(capsys, output, code=1))


@pytest.mark.parametrize("output", OUTPUTS)
def test_tests_that_pass_look_like_this(below, capsys, output):
    below({"base.yaml": BASE, "tests/a.yaml": PASSING})
    assert_golden(f"test_passing.{OUTPUTS[output]}", output_of(capsys, output, code=0))


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_repository_without_tests_looks_like_this(below, capsys, output):
    below({"base.yaml": BASE})
    assert_golden(f"test_none.{OUTPUTS[output]}", output_of(capsys, output, code=0))


def test_the_summary_of_a_step_looks_like_this(below, capsys, monkeypatch):
    folder = below(FILES)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    output_of(capsys, "github", code=1)
    assert_golden("test_failing.summary.md", (folder / "summary.md").read_text())


def test_the_time_is_told_when_asked_for(below, capsys):
    below(FILES)
    assert re.search(r"^1 passed, 3 failed in \d+\.\d s\.$", output_of(capsys, "text", "-v", code=1), re.MULTILINE)
    assert json.loads(output_of(capsys, "json", "-v", code=1)) == json.loads(output_of(capsys, "json", code=1))


def test_github_gets_at_most_nine_annotations_and_a_count(below, capsys):
    one = FAILING[FAILING.index("  - name: names") : FAILING.index("  - name: a transform")]
    below({"base.yaml": BASE, "x.yaml": "tests:\n" + "".join(one.replace("names", f"t{n}") for n in range(12))})
    lines = output_of(capsys, "github", code=1).splitlines()
    assert [line.startswith("::error file=repo/x.yaml,line=") for line in lines] == [True] * 9 + [False] * 2
    assert lines[9:] == ["::error title=featurectl::3 more", "0 passed, 12 failed."]


def test_junit_counts_what_fails_and_what_can_not_be_run(below, capsys):
    below(FILES)
    top = read_junit(output_of(capsys, "junit", code=1))
    assert (top.get("tests"), top.get("failures"), top.get("errors")) == ("4", "2", "1")
    assert [suite.get("file") for suite in top] == ["repo/tests/a.yaml", "repo/tests/b.yaml"]
    assert all(float(case.get("time")) >= 0 for case in top.iter("testcase"))
    error = top.find(".//error")
    assert error.get("type") == "FC521"
    failure = top.find(".//testcase[@name='the mean of <three> \"delays\" & 日本']/failure")
    assert failure.get("message").endswith(" (and 2 more)")
    assert failure.text.startswith("repo/tests/b.yaml:2:11\n   row  column")


@pytest.mark.sample(2)
@pytest.mark.parametrize("output", OUTPUTS)
def test_tests_of_a_model_look_like_this(below, capsys, output):
    below({"base.yaml": BASE, "tests/a.yaml": PASSING, "tests/m.yaml": MODEL} | MAKE)
    assert_golden(f"test_model.{OUTPUTS[output]}", output_of(capsys, output, code=1))


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_repository_with_errors_is_not_tested_but_its_problems_are_told(below, capsys, output):
    below(
        {
            "base.yaml": BASE,
            "x.yaml": "tests:\n  - {name: t, view: delayz, rows: [], spine: [{time: 2026-01-01}], expect: [{x: 1}]}\n",
        }
    )
    assert main(["test", "-C", "repo", "-o", output]) == 1
    found = capsys.readouterr()
    assert "FC201" in (found.err if output == "text" else found.out)
    assert "delayz" in (found.err if output == "text" else found.out)
    if output == "junit":
        assert read_junit(found.out).get("failures") == "1"


def test_an_output_that_is_not_there_is_told_with_those_that_are(capsys):
    assert main(["test", "-o", "sarif"]) == 64
    assert capsys.readouterr().err == ("error: test has no output 'sarif'\n  = outputs: text, json, github, junit\n")
