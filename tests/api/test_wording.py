"""Errors that reach a caller of Python name arguments and methods; a command line reads its own words."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import featurectl
from featurectl.api.project import PARTS, open_project
from featurectl.api.wording import PythonWords
from featurectl.core.errors import DataError, FeaturectlError, PlanError, ProblemsError, UsageError

PACKAGE = Path(featurectl.__file__).parent
# Rooms whose texts reach no caller of Python: those of the command line, of servers, of pages.
ELSEWHERE = (
    "pipelines/",
    "cli",
    "serving",
    "render/drift_page",
    "api",
    "registry/migrations",
    "language/problems",
    "language/shapes",
    "core",
)
METHODS = {
    **{name: getattr(featurectl.Project, name) for name in dir(featurectl.Project)},
    **{f"{prefix}{name}": getattr(kind, name) for prefix, kind in PARTS.items() for name in dir(kind)},
}
METHODS = {n: m for n, m in METHODS.items() if inspect.isfunction(m) and not n.rpartition(".")[2].startswith("_")}
WORDS = PythonWords(METHODS, open_project)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
CALL = re.compile(r"\bproject\.([a-z_.]+)\(([^()]*)\)")
COMMAND = re.compile(r"\bfeaturectl ((?:models |monitor )?[a-z-]+)(?! [a-z]+ of\b)")
# Options of errors that no method can raise, or that have no argument in Python.
NO_ARGUMENT = {
    "--out": "files that commands write, or a saved plan",
    "--write-allow": "writes a file",
    "--limit": "monitor drift", "--for": "for_ of alerts.silence", "--textfile": "monitor export",
    "--grafana": "monitor rules",
    "--to": "env of models.promote_to", "--mlflow": "models import", "--file": "models import",
    "--restart": "score --out", "--part": "score --out", "--image": "deployment render", "--resume": "pipeline run",
    "--clock": "what pipelines give to stages",
    "--with": "init", "--build": "docker compose", "--detach": "docker compose",
    "--memory": "how much rows may take",
    "--debug": "of the command line", "--auto-approve": "what init says comes next",
    "--once": "stream run", "--workers": "stream run", "--host": "stream run", "--port": "stream run",
    "--log-lost": "stream reset",
    "--table-name": "aws dynamodb", "--time-to-live-specification": "aws dynamodb",
}  # fmt: skip
NO_ERRORS = {"none: featurectl monitor test was run"}  # what a message to others says
PROSE = {"delay", "fraud"}  # words of a search and a model, not of a sentence


def texts() -> Iterator[tuple[str, str]]:
    """Yield the texts of the library that name an option or a command, with their files."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name, content = path.relative_to(PACKAGE).as_posix(), path.read_text()
        if name.startswith(ELSEWHERE) or "feature_repo_template" in name or name == "workspace/git.py":
            continue
        if "--" not in content and "featurectl " not in content:
            continue
        tree = ast.parse(content)
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in inside | docs:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            elif isinstance(node, ast.JoinedStr):
                text = "".join(str(p.value) if isinstance(p, ast.Constant) else "NAME" for p in node.values)
            else:
                continue
            if OPTION.search(text) or re.search(r"\bfeaturectl [a-z]", text):
                yield name, text


@cache
def all_texts() -> tuple[tuple[str, str], ...]:
    """Return them, but for names of options alone."""
    found = ((name, text) for name, text in texts() if text not in NO_ERRORS)
    return tuple((name, text) for name, text in found if not text.startswith("--") or " " in text)


def said(text: str) -> dict[str, str]:
    """Return a text as each method says it that has one of its options; of commands alone, as one says it."""
    options = {option.removeprefix("--").replace("-", "_") for option in OPTION.findall(text)}
    able = [name for name, method in METHODS.items() if options & set(inspect.signature(method).parameters)]
    return {name: WORDS.of(text, name) for name in able or ["get"]}


@pytest.mark.long
def test_every_option_of_an_error_is_an_argument_of_a_method():
    known = {name for method in [*METHODS.values(), open_project] for name in inspect.signature(method).parameters}
    missing = {
        option: name
        for name, text in all_texts()
        for option in OPTION.findall(WORDS.of(text))
        if option.removeprefix("--").replace("-", "_") not in known and option not in NO_ARGUMENT
    }
    assert missing == {}


def test_calls_that_stand_in_for_commands_can_be_made():
    made = 0
    for name, text in all_texts():
        for method, shown in said(text).items():
            for found in CALL.finditer(shown):
                where = f"{name}: {text!r} in {method}: {shown!r}"
                call = ast.parse(f"f({found[2]})", mode="eval").body
                assert isinstance(call, ast.Call), where
                values = [ast.literal_eval(item) for item in call.args]
                named = {str(item.arg): ast.literal_eval(item.value) for item in call.keywords}
                inspect.signature(METHODS[found[1]]).bind(None, *values, **named)
                prose = [v for v in (*values, *named.values()) if isinstance(v, str) and v.islower() and v.isalpha()]
                assert set(prose) <= PROSE | {"views", "features"}, where
                made += 1
    assert made > 20


def test_no_word_of_a_sentence_becomes_an_argument():
    for name, text in all_texts():
        for shown in said(text).values():
            values = re.findall(r'\b[a-z_]+="([a-z]+)"', shown)
            assert values == [], f"{name}: {text!r}: {shown!r}"


@pytest.mark.parametrize(
    ("method", "text", "expected"),
    [
        ("training_set", "--time COLUMN says which; its columns: a", 'time="COLUMN" says which; its columns: a'),
        ("training_set", "--sample 2 is no share", "sample=2 is no share"),
        ("training_set", "--join a=b: no view has a key 'a'", 'join={"a": "b"}: no view has a key \'a\''),
        ("training_set", "--keys-from spend: it has no keys", 'keys_from="spend": it has no keys'),
        ("score", "allow it: --allow-pickle", "allow it: allow_pickle=True"),
        ("get", "featurectl push --full spend writes it again", 'project.push("spend", full=True) writes it again'),
        ("plan", "featurectl apply --env prod; else", 'featurectl.open_project(env="prod").apply(); else'),
        ("plan", "featurectl plan --out FILE writes one", "featurectl plan --out FILE writes one"),
        (
            "plan",
            "featurectl materialize v w --env prod",
            'featurectl.open_project(env="prod").materialize(["v", "w"])',
        ),
        ("plan", "featurectl models retire a@1 b@2", 'project.models.retire("a@1", "b@2")'),
        ("plan", "featurectl models retire a@1 frees it", 'project.models.retire("a@1") frees it'),
        ("why", "featurectl verify --store spend", 'project.verify_store("spend")'),
        (
            "push",
            "featurectl push --remove spend@1 takes its rows out",
            'project.push(remove="spend@1") takes its rows out',
        ),
        ("check", "featurectl monitor silence --end a1", 'project.alerts.end_silence("a1")'),
        ("show", "featurectl models show big@1", 'project.models.show("big@1")'),
        ("show", "featurectl models canary abort big", 'project.models.canary.abort("big")'),
        ("show", "featurectl monitor rules", "featurectl monitor rules"),
        ("check", "featurectl monitor silence stale --for 2h", 'project.alerts.silence("stale", "2h")'),
        (
            "get",
            "featurectl monitor check --env prod; --env x",
            'featurectl.open_project(env="prod").alerts.check(); featurectl.open_project(env="x")',
        ),
        ("get", "`featurectl models list` tells", "`project.models.list()` tells"),
        ("get", "--as-of T is early", 'featurectl.open_project(as_of="T") is early'),
        ("get", "--full is no argument of it", "--full is no argument of it"),
    ],
)
def test_words_of_the_command_line_are_those_of_python(method, text, expected):
    assert WORDS.of(text, method) == expected
    assert WORDS.of(expected, method) == expected


def test_errors_of_methods_name_their_arguments(shared_project, tmp_path):
    import polars as pl

    project = shared_project
    spine = pl.DataFrame({"customer": ["c1"], "when": ["2026-01-09T00:00:00Z"]})
    with pytest.raises(DataError) as no_time:
        project.training_set(features="spend:*", spine=spine)
    assert no_time.value.hint.startswith('time="COLUMN" says which; ')
    with pytest.raises(UsageError) as no_share:
        project.training_set("big", sample=2)
    assert str(no_share.value) == "sample=2 is no share\n  = above 0, at most 1"
    with pytest.raises(UsageError) as no_command:
        project.list("views", select="tag:none")
    assert "--" not in str(no_command.value)
    with pytest.raises(FeaturectlError) as no_trained:
        shared_project.stats("nothing:here")
    assert "--" not in str(no_trained.value)
    with pytest.raises(UsageError, match=r"^no featurectl\.yaml in"):
        featurectl.open_project(tmp_path)


def test_a_blocked_plan_names_the_argument_that_lifts_it(project):
    files = Path("objects.yaml")
    text = files.read_text()
    files.write_text(text[: text.index("models:")] + text[text.index("alerts:") :])
    with pytest.raises(PlanError) as caught:
        project.apply()
    assert "--" not in str(caught.value)
    assert "allow_remove" in str(caught.value)


def test_the_text_of_an_error_has_its_hint_and_its_problems(project):
    files = Path("objects.yaml")
    files.write_text(files.read_text().replace("op: count", "op: cnt").replace("windows: [7d]", "windws: [7d]", 1))
    more = "".join(f"  - {{name: v{n}, entity: nobody, source: orders, features: [amount]}}\n" for n in range(12))
    Path("z.yaml").write_text(f"feature_views:\n{more}")
    with pytest.raises(ProblemsError) as caught:
        project.plan()
    error = caught.value
    lines = str(error).splitlines()
    assert lines[0] == error.message
    assert error._render_traceback_()[1:] == lines[1:]
    assert lines[-1] == f"and {len(error.problems) - 10} more"
    assert sum(": [FC" in line for line in lines) == 10
    assert any('did you mean "windows"' in line for line in lines)


@pytest.mark.usefixtures("shared_project")
def test_a_command_says_its_own_words(capsys):
    from featurectl.cli.main import main

    assert main(["training-set", "big", "--sample", "2", "--out", "x.parquet"]) == 64
    assert "--sample 2.0 is no share" in capsys.readouterr().err
