"""What a command loads before it runs, seen in `sys.modules` of a fresh process."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from featurectl.cli import all_commands
from featurectl.cli.all_commands import build_app
from featurectl.cli.main import main
from tests.catalog.shop import make_shop

ROOT = Path(__file__).parents[2]
HEAVY = {
    "polars", "numpy", "sqlalchemy", "alembic", "redis", "jinja2", "deltalake", "pyarrow", "pandas", "lightgbm",
    "sklearn", "yaml", "msgpack", "rich", "pydantic", "obstore",
}  # fmt: skip
OF_FEW_COMMANDS = {"importlib.metadata", "tempfile"}
OF_REPOSITORIES = {
    "featurectl.language.load",
    "featurectl.workspace.open",
    "featurectl.workspace.workspace",
    "featurectl.plan.build",
    "featurectl.operations.apply",
}
NAMES = list(dict.fromkeys(name.split()[0] for name in all_commands.COMMANDS))
COMMANDS = [command.name for command in build_app().registered_commands]
SHOW = "import json, sys; print('MODULES' + json.dumps(sorted(sys.modules)), file=sys.stderr)"


def loaded(argv, cwd=ROOT, **environ):
    """Return the exit code, the modules that a command line loaded, and what it printed."""
    run = f"from featurectl.cli.main import main; code = main({argv!r})"
    caught = f"try:\n    {run}\nexcept SystemExit as e:\n    code = e.code"
    code = f"import sys; sys.argv[0] = 'featurectl'\n{caught}\n{SHOW}\nsys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | environ
    )
    modules = next(line for line in done.stderr.splitlines() if line.startswith("MODULES"))
    return done.returncode, set(json.loads(modules.removeprefix("MODULES"))), done.stdout


HELP_OF_EACH = """
import contextlib, io, json, os, pathlib, sys
from featurectl.cli.main import main

def code_of(words):
    try:
        return main(words)
    except SystemExit as e:
        return e.code

sys.argv[0] = "featurectl"
folder, commands = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
with contextlib.redirect_stdout(io.StringIO()):
    code_of(["version", "--help"])
for number, command in enumerate(commands):
    if (child := os.fork()) == 0:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            code = code_of([*command.split(), "--help"])
        (folder / str(number)).write_text(json.dumps([code, sorted(sys.modules), output.getvalue()]))
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def helps(tmp_path_factory):
    """What `loaded` says of the help of each command, by its name.

    Each is asked for in a copy of a process that has shown the help of `version`: what that loads comes on top.
    """
    folder, commands = tmp_path_factory.mktemp("helps"), [*COMMANDS, "models list"]
    words = [sys.executable, "-c", HELP_OF_EACH, str(folder), json.dumps(commands)]
    subprocess.run(words, check=True, capture_output=True)
    return {command: json.loads((folder / str(number)).read_text()) for number, command in enumerate(commands)}


def prepared(folder, *command_lines):
    """Run command lines in this process, the first in the folder, the others in the repository that it makes."""
    for words in command_lines:
        with contextlib.chdir(folder):
            assert main([*words, "-q"]) == 0
        folder = folder / words[1] if words[0] == "init" else folder
    return folder


def top(modules):
    return {module.split(".")[0] for module in modules}


def only_typer_and_stdlib(modules):
    """What Typer itself imports counts as Typer's."""
    code = f"import sys, typer; {SHOW}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    typers = top(json.loads(done.stderr.split("MODULES")[1]))
    own = {m for m in top(modules) if m not in sys.stdlib_module_names and not m.startswith("_")}
    return own - typers - {"featurectl", "__mp_main__"}


def test_help_loads_only_the_standard_library_and_typer():
    code, modules, output = loaded(["--help"])
    assert code == 0
    assert "Usage: " in output
    assert top(modules) & HEAVY == set()
    assert modules & (OF_FEW_COMMANDS | OF_REPOSITORIES) == set()
    assert only_typer_and_stdlib(modules) == set()


@pytest.mark.parametrize("command", NAMES)
def test_a_command_line_loads_the_command_that_it_begins_with(command):
    tree = build_app([command, "--help"])
    assert [c.name for c in (*tree.registered_commands, *tree.registered_groups)] == [command]
    every = build_app([])
    assert {c.name for c in (*every.registered_commands, *every.registered_groups)} == set(NAMES)
    assert build_app(["--as-of", command]) is every
    assert [c.name for c in build_app(["--version"]).registered_commands] == ["version"]


@pytest.mark.sample(5)
@pytest.mark.parametrize("command", [*COMMANDS, "models list"])
def test_the_help_of_a_command_loads_nothing_heavy_but_what_typer_loads(command, helps):
    code, modules, output = helps[command]
    assert code == 0
    assert f"Usage: featurectl {command} " in output
    assert top(modules) & HEAVY <= {"pydantic"}
    assert set(modules) & OF_REPOSITORIES == set()


@pytest.mark.parametrize(
    ("words", "offered"), [("featurectl val", "validate"), ("featurectl validate --no", "--no-data")]
)
def test_completion_loads_nothing_heavy_but_what_typer_loads(words, offered):
    at = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code, modules, output = loaded([], _FEATURECTL_COMPLETE="complete_bash", **at)
    assert code == 0
    assert output.split() == [offered]
    assert top(modules) & HEAVY <= {"pydantic"}
    assert modules & OF_REPOSITORIES == set()


STORES = {"sqlalchemy", "alembic", "redis", "boto3", "botocore", "jinja2", "deltalake", "lightgbm", "sklearn"}
FRAMES = {"polars", "numpy", "pyarrow", "pandas"}
OF_ROWS = {
    "numpy",
    "featurectl.engines.polars.join",
    "featurectl.engines.polars.prepare",
    "featurectl.online.encode.rows",
    "featurectl.operations.training.join",
    "featurectl.pit.windows",
}


def test_validate_loads_no_store_and_no_frames_where_columns_are_declared(tmp_path):
    root = prepared(tmp_path, ["init", "shop", "--template", "minimal"])
    code, modules, _ = loaded(["validate"], root)
    assert code == 0
    assert top(modules) & (STORES | FRAMES) == set()


@pytest.mark.parametrize(
    ("command", "loads"), [("validate", {"polars"}), pytest.param("validate --no-data", set(), marks=pytest.mark.long)]
)
def test_validate_loads_polars_for_undeclared_schemas_unless_without_data(tmp_path, command, loads):
    root = prepared(tmp_path, ["init", "flights"])
    code, modules, _ = loaded(command.split(), root)
    assert code == 0
    assert top(modules) & (STORES | FRAMES) == loads


@pytest.mark.long
def test_a_second_apply_loads_no_frames_and_no_migrations(tmp_path):
    root = prepared(tmp_path, ["init", "shop", "--template", "minimal"], ["apply", "--auto-approve"])
    for command, loads in ((["apply", "--auto-approve"], {"sqlalchemy"}), (["plan"], set())):
        code, modules, output = loaded(command, root)
        assert code == 0
        assert "No changes" in output
        assert top(modules) & (STORES | FRAMES) == loads


OF_KEYS = "training-set --features customer_orders:* --keys-from customer_orders --at 2026-01-07 --out t.parquet"


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("before", "command", "is_idle"),
    [
        ([], "materialize", False),
        ([["materialize"]], "push", True),
        pytest.param([["materialize"]], "materialize", True, marks=pytest.mark.long),
        pytest.param([["materialize"]], OF_KEYS, False, marks=pytest.mark.long),
    ],
)
def test_what_works_on_rows_loads_no_sqlalchemy_for_a_file_registry(tmp_path, before, command, is_idle):
    root = prepared(tmp_path, ["init", "shop", "--template", "minimal"], ["apply", "--auto-approve"], *before)
    code, modules, _ = loaded(command.split(), root)
    assert code == 0
    assert top(modules) & (STORES - {"deltalake"}) == set()
    assert modules.isdisjoint(OF_ROWS) == is_idle


@pytest.mark.long
def test_status_loads_nothing_that_works_on_rows(tmp_path):
    root = prepared(tmp_path, ["init", "shop", "--template", "minimal"], ["apply", "--auto-approve"])
    code, modules, output = loaded(["status"], root)
    assert (code in {0, 1}, "customer_orders" in output) == (True, True)
    assert modules & OF_ROWS == set()


@pytest.mark.parametrize("words", [["list", "features"], ["show", "spend:count_7d"], ["search", "spend"], ["lineage"]])
@pytest.mark.sample(2)
def test_looking_loads_no_store_and_no_frames_and_no_file_but_the_project(words, tmp_path):
    make_shop(tmp_path)
    (tmp_path / "broken.yaml").write_text("feature_views: [")
    code, modules, output = loaded(words, tmp_path)
    assert (code, "spend" in output) == (0, True)
    assert top(modules) & (STORES | FRAMES) == set()


INTERRUPTING = """
import sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "featurectl.cli.all_commands":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from featurectl.__main__ import run
run()
"""


def test_ctrl_c_while_the_command_is_loaded_is_130_without_a_traceback():
    done = subprocess.run([sys.executable, "-c", INTERRUPTING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.long
def test_a_query_to_postgresql_loads_neither_pandas_nor_sqlalchemy(tmp_path, postgres_url):
    (tmp_path / "featurectl.yaml").write_text(
        'project: p\nenvironments:\n  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}\n'
    )
    query = "select 'a' as k, timestamptz '2024-01-01 00:00Z' as at, 1.5::float8 as x"
    (tmp_path / "o.yaml").write_text(
        "entities: [{name: key, keys: {k: string}}]\n"
        f'sources: [{{name: s, event_time: at, sql: {{url: "{postgres_url}", query: "{query}"}}}}]\n'
        "feature_views: [{name: v, entity: key, source: s, features: [x]}]\n"
    )
    assert main(["-C", str(tmp_path), "apply", "--auto-approve", "-q"]) == 0
    for command in (["plan", "--check-sources"], ["materialize", "-q"]):
        code, modules, _ = loaded(command, tmp_path)
        assert (code, modules & {"psycopg", "pandas", "sqlalchemy"}) == (0, {"psycopg"})
    assert modules >= {"pyarrow", "adbc_driver_postgresql"}
