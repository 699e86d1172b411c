"""What a command loads before it runs, seen in `sys.modules` of a fresh process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "polars", "numpy", "sqlalchemy", "alembic", "redis", "jinja2", "deltalake", "pyarrow", "pandas", "lightgbm",
    "sklearn", "yaml", "msgpack", "rich", "pydantic",
}  # fmt: skip
SHOW = (
    "import json, sys; print('MODULES' + json.dumps(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr)"
)


def loaded(argv, cwd=ROOT):
    """Return the exit code and the top modules that a command line loaded."""
    code = f"import sys; from featurectl.cli.main import main; code = main({argv!r}); {SHOW}; sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    modules = next(line for line in done.stderr.splitlines() if line.startswith("MODULES"))
    return done.returncode, set(json.loads(modules.removeprefix("MODULES"))), done.stdout


def only_typer_and_stdlib(modules):
    """What Typer itself imports counts as Typer's."""
    code = f"import sys, typer; {SHOW}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    typers = set(json.loads(done.stderr.split("MODULES")[1]))
    own = {m for m in modules if m not in sys.stdlib_module_names and not m.startswith("_")}
    return own - typers - {"featurectl", "__mp_main__"}


def test_help_loads_only_the_standard_library_and_typer():
    code, modules, output = loaded(["--help"])
    assert code == 0
    assert "Usage: " in output
    assert modules & HEAVY == set()
    assert only_typer_and_stdlib(modules) == set()


@pytest.mark.parametrize("command", ["materialize", "train", "plan", "init"])
def test_the_help_of_a_command_loads_nothing_heavy_but_what_typer_loads(command):
    code, modules, _ = loaded([command, "--help"])
    assert code == 0
    assert modules & HEAVY <= {"pydantic"}


def test_validate_loads_no_store_and_polars_only_for_a_schema_that_is_not_declared(tmp_path):
    assert loaded(["init", "shop", "--template", "minimal"], tmp_path)[0] == 0
    code, modules, _ = loaded(["validate"], tmp_path / "shop")
    assert code == 0
    assert modules & {"sqlalchemy", "alembic", "redis", "jinja2", "deltalake", "lightgbm", "polars", "numpy"} == set()
