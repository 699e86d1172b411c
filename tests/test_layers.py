"""Imports go one direction: a module may import what stands above it in LAYERS, never below, never sideways."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "featurectl"

# One line of the house each, from the ground up; names on one line do not import each other.
LAYERS = [
    ["core"],
    ["expressions", "pit"],
    ["language"],
    ["identity", "engines", "notifiers"],
    ["registry", "sources", "offline"],
    ["plan", "online", "models"],
    ["workspace"],
    ["operations"],
    ["streaming"],
    ["monitor", "erasure"],
    ["serving", "pipelines", "catalog"],
    ["predicting"],
    ["render"],
    ["api", "errors"],
    ["cli"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SIDEWAYS: set[tuple[str, str]] = set()
SERVING_NEVER = {"language", "plan"}
# Commands call operations: what stores, engines and models are for is decided there. Drawing may name their types.
COMMANDS_NEVER = {"expressions", "pit", "engines", "sources", "offline", "online", "models"}

# A heavy library may be imported only by these files (prefixes of paths below featurectl/).
HEAVY = {
    "sqlalchemy": ["registry/", "online/postgres/migrations/", "sources/sql/", "sources/iceberg/",
                   "operations/scoring/sql_table.py",
                   "operations/scoring/bigquery_table.py", "operations/scoring/snowflake_table.py"],
    "alembic": ["registry/", "online/postgres/migrations/"],
    "redis": ["online/redis/", "streaming/topics/redis/"],
    "boto3": ["online/dynamodb/"],
    "botocore": ["online/dynamodb/"],
    "psycopg": ["core/postgres.py", "online/postgres/", "sources/sql/"],
    "confluent_kafka": ["streaming/topics/kafka/"],
    "backports": ["core/zstd.py"],
    "deltalake": [
        "offline/actions.py", "offline/appended_table.py", "offline/commit_log.py", "offline/compact_turns.py",
        "offline/delta.py", "offline/erasable_table.py", "offline/erased_log.py", "offline/event_log.py",
        "offline/files.py", "offline/log_metadata.py",
        "offline/log_statistics.py", "offline/marked_table.py",
        "offline/opened_versions.py", "offline/table_log.py", "sources/delta_table.py",
        "operations/outputs/delta_commit.py",
    ],
    "pymysql": ["sources/sql/"],
    "google": ["sources/sql/", "operations/scoring/bigquery_table.py"],
    "grpc": ["sources/sql/"],
    "pyiceberg": ["sources/iceberg/"],
    "requests": ["sources/iceberg/", "sources/sql/"],
    "obstore": ["offline/bucket.py", "sources/iceberg/azure_files.py"],
    "polars": [
        "core/frames/", "expressions/polars.py", "expressions/frames.py", "pit/", "engines/", "sources/", "offline/",
        "online/", "models/", "operations/",
        "workspace/event_reader.py", "monitor/", "streaming/", "catalog/sample.py", "api/", "serving/log/parquet.py",
        "predicting/prediction_rows.py", "erasure/",
    ],
    "numpy": ["pit/", "engines/", "online/", "models/", "operations/training/", "operations/scoring/",
              "operations/outputs/",
              "monitor/drift/"],
    "lightgbm": ["models/"],
    "sklearn": ["models/"],
    "xgboost": ["models/"],
    "catboost": ["models/"],
    "skops": ["models/"],
    "joblib": ["models/"],
    "onnx": ["models/conversion/", "models/forests/onnx_trees.py"],
    "numba": ["models/forests/kernel.py"],
    "skl2onnx": ["models/conversion/"],
    "onnxruntime": ["models/runtimes/"],
    "jinja2": ["operations/init.py", "pipelines/render/targets.py"],
    "msgpack": ["online/", "streaming/", "models/isolation/messages.py"],
    "msgspec": ["serving/", "predicting/predictions.py", "streaming/event_decoder.py", "streaming/plain_events.py"],
    "fastavro": ["streaming/avro_events.py"],
    "starlette": ["serving/"],
    "uvicorn": ["serving/"],
    "prometheus_client": ["serving/", "monitor/prometheus/metrics.py"],
    "yaml": ["language/"],
    "pydantic": ["language/"],
    "rich": ["cli/"],
    "pyspark": ["engines/spark/"],
    "pyarrow": [
        "api/frames.py", "sources/sql/", "operations/scoring/bigquery_table.py",
        "operations/scoring/snowflake_table.py",
    ],
    "duckdb": ["sources/sql/duckdb_file.py"],
    "adbc_driver_snowflake": ["sources/sql/snowflake", "operations/scoring/snowflake_table.py"],
    "adbc_driver_postgresql": ["sources/sql/postgres_arrow.py"],
    "pandas": ["api/frames.py"],
    "IPython": ["api/progress.py"],
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "feature_repo_template" not in p.parts)


@dataclass(frozen=True)
class Facts:
    """What the tests here ask of a file, which is parsed once for all of them."""

    imported: set[str] = field(default_factory=set)
    methods: dict[str, int] = field(default_factory=dict)  # how many each class has
    lines: dict[str, int] = field(default_factory=dict)  # of each function, with its signature and its docstring
    speaks: list[str] = field(default_factory=list)  # calls that print or exit


@functools.cache
def facts(path: Path) -> Facts:
    found = Facts()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.imported.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            found.methods[node.name] = sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            found.lines[node.name] = max(node.end_lineno - node.lineno + 1, found.lines.get(node.name, 0))
        elif isinstance(node, ast.Call) and speaks(node):
            found.speaks.append(ast.unparse(node.func))
    return found


def imported(path: Path) -> set[str]:
    """Return the dotted names of all modules that a file imports, wherever in the file, type checking included."""
    return facts(path).imported


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def upward(path: Path) -> list[str]:
    here, wrong = room(path), []
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "featurectl" or len(parts) < 2 or parts[1].startswith("__"):
            continue
        there = parts[1]
        if there == here or there not in RANK:
            continue
        if RANK[there] >= RANK[here] and (here, there) not in SIDEWAYS:
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
        if here == "serving" and there in SERVING_NEVER:
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    return wrong


def test_every_module_has_a_layer():
    rooms = {room(p) for p in modules()} - {"__init__", "__main__"}
    assert rooms - set(RANK) == set()


def test_imports_go_one_direction():
    assert [line for path in modules() if room(path) in RANK for line in upward(path)] == []


def import_cycles(package: Path) -> list[str]:
    """Return the import cycles among the modules of a package, each as its modules in the order of their imports.

    Every import counts: those inside a function, which hide a cycle until it is called, and those for types alone.
    """
    names = {".".join(p.relative_to(package.parent).with_suffix("").parts): p for p in package.rglob("*.py")}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    edges = {}
    for name, path in names.items():
        found = imported(path)
        edges[name] = sorted({n for f in found for n in (f, f.rpartition(".")[0]) if n in names and n != name})
    cycles: list[str] = []
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            cycles.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for other in edges[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(names):
        visit(name, ())
    return cycles


def test_no_module_is_part_of_an_import_cycle():
    assert import_cycles(PACKAGE) == []


@pytest.mark.parametrize(
    "back",
    [
        "from app.rooms import one\n",
        "def f():\n    from app.rooms.one import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app.rooms.one\n",
    ],
    ids=["at its top", "in a function", "for types"],
)
def test_the_layer_test_itself_sees_an_import_cycle(tmp_path, back):
    rooms, later = [tmp_path / name / "app" / "rooms" for name in ("before", "after")]
    for folder in (rooms, rooms.parent, later, later.parent):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    for folder, text in ((rooms, "import json\n"), (later, back)):
        (folder / "one.py").write_text("from app.rooms import two\n")
        (folder / "two.py").write_text(text)
    assert import_cycles(rooms.parent) == []
    assert import_cycles(later.parent) == ["app.rooms.one -> app.rooms.two -> app.rooms.one"]


def test_nothing_outside_the_engines_imports_one_of_them():
    """What all engines share stands in `engines/` itself; a command gets its engine from `engines/all_engines.py`."""
    wrong = [
        f"{below} imports {name}"
        for path in modules()
        if not (below := path.relative_to(PACKAGE).as_posix()).startswith("engines/")
        for name in sorted(imported(path))
        if is_of_an_engine(name)
    ]
    assert wrong == []


def test_engines_do_not_import_each_other_and_what_they_share_imports_none():
    wrong = []
    for path in (PACKAGE / "engines").rglob("*.py"):
        below = path.relative_to(PACKAGE / "engines")
        own = f"featurectl.engines.{below.parts[0]}" if len(below.parts) > 1 else None
        if below.name == "all_engines.py":
            continue
        wrong += [
            f"{below} imports {name}"
            for name in imported(path)
            if is_of_an_engine(name) and not (own and name.startswith(f"{own}."))
        ]
    assert wrong == []


def is_of_an_engine(name: str) -> bool:
    parts = name.split(".")
    return parts[:2] == ["featurectl", "engines"] and len(parts) > 2 and (PACKAGE / "engines" / parts[2]).is_dir()


def speaks(node: ast.Call) -> bool:
    """Whether a call prints, writes to a standard stream, or ends the process."""
    if not isinstance(node.func, ast.Name | ast.Attribute):
        return False
    name = ast.unparse(node.func)
    return name in ("print", "exit", "sys.exit") or name.startswith(("sys.stdout.write", "sys.stderr.write"))


def test_only_commands_and_servers_print_and_exit():
    below = [path for path in modules() if room(path) not in ("cli", "serving", "__main__")]
    assert {path.relative_to(PACKAGE).as_posix(): facts(path).speaks for path in below if facts(path).speaks} == {}


def test_commands_leave_stores_engines_and_models_to_operations():
    drawn = PACKAGE / "cli" / "render"
    commands = [path for path in modules() if room(path) == "cli" and drawn not in path.parents]
    below = {path.relative_to(PACKAGE).as_posix(): imported(path) for path in commands}
    wrong = {
        name
        for name, names in below.items()
        for other in names
        if other.split(".")[1:2] and other.startswith("featurectl.") and other.split(".")[1] in COMMANDS_NEVER
    }
    assert wrong == set()


@pytest.mark.parametrize("library", sorted(HEAVY))
def test_a_heavy_library_stays_in_its_folder(library):
    wrong = []
    for path in modules():
        below = path.relative_to(PACKAGE).as_posix()
        if any(name.split(".")[0] == library for name in imported(path)) and not below.startswith(
            tuple(HEAVY[library])
        ):
            wrong.append(below)
    assert wrong == []


def test_files_have_at_most_600_lines():
    files = [*modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert {p.relative_to(ROOT).as_posix(): n for p in files if (n := len(p.read_text().splitlines())) > 600} == {}


def test_the_layer_test_itself_sees_an_upward_import(tmp_path, monkeypatch):
    bad = tmp_path / "core" / "bad.py"
    bad.parent.mkdir()
    bad.write_text("def f():\n    from featurectl.cli import all_commands\n")
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert upward(bad) == ["core/bad.py imports featurectl.cli.all_commands"]


# Classes with more than 15 methods, each with the reason; a class that is split leaves the list.
LARGE = {
    "expressions/parse.py _Parser": "a method per rule of the grammar",
    "predicting/model_predictor.py ModelPredictor": "the steps of a turn, which share what waits and where it goes",
    "predicting/stream_predictor.py StreamPredictor": "a method per line of the protocol, and what models share",
    "streaming/worker.py StreamWorker": "the steps of a turn, which share where partitions are",
    "sources/sql/reader.py SqlReader": "a method per line of the protocol, and how the rows of a query come",
    "sources/files.py FileReader": "a method per line of the protocol, and what its files are found to have",
    "workspace/event_reader.py EventSourceReader": "a method per line of the protocol, and what a stream is besides",
    "workspace/workspace.py Workspace": "opens each store of an environment when it is first asked for",
    "online/packed_store.py PackedStore": "a method per line of the protocol",
    "online/sqlite/store.py SqliteBytes": "a method per line of the protocol, and a transaction for each",
    "online/postgres/store.py PostgresBytes": "a method per line of the protocol, and a statement for each",
    "online/dynamodb/store.py DynamoBytes": "a method per line of the protocol, and a request for each",
    "online/redis/store.py RedisBytes": "a method per line of the protocol, and a command for each",
    "online/redis/stream_state.py RedisStreamState": "a method per line of the protocol, and what differs in a Cluster",
    "online/redis/cluster.py RedisClusterBytes": "what of RedisBytes is different over several nodes",
    "online/decode/columns.py ViewColumns": "the steps of one decoding, which share its tables",
    "registry/base.py Registry": "the protocol of registries",
    "registry/sql.py SqlRegistry": "a method per line of the protocol",
    "registry/alerts.py SqlAlertLedger": "a method per line of the protocol, and a statement for each",
    "offline/base.py OfflineTable": "the protocol of offline tables",
    "offline/delta.py ViewTable": "a method per line of the protocol, and a step of a commit for each",
}


def test_classes_have_at_most_15_methods_save_a_reasoned_few():
    found = {}
    for path in modules():
        for name, count in facts(path).methods.items():
            found[f"{path.relative_to(PACKAGE).as_posix()} {name}"] = count
    assert sorted(name for name, count in found.items() if count > 15 and name not in LARGE) == []
    assert sorted(name for name in LARGE if found.get(name, 0) <= 15) == []


def test_functions_have_at_most_60_lines():
    """Each with its signature and its docstring; steps of a migration are as long as they were."""
    found = {}
    for path in modules():
        for name, lines in facts(path).lines.items() if "migrations" not in path.parts else ():
            found[f"{path.relative_to(PACKAGE).as_posix()} {name}"] = lines
    assert {name: lines for name, lines in found.items() if lines > 60} == {}
