"""The same files under two environments: one meaning, two places, and nothing of the places in what is kept or said."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.registry.sql import SqlRegistry
from featurectl.sources.open import open_source
from tests.two_environments import NAMES, Repository, write_repository, write_warehouse

PROD = ("--env", "prod")
WORK = ("materialize", "-q"), ("train", "pays", "-q")


@pytest.fixture
def root(tmp_path):
    return write_repository(tmp_path / "repo")


def places(folder: Path) -> dict[str, str]:
    """Values for every variable of the repository."""
    if not (folder / "warehouse.db").exists():
        write_warehouse(folder / "warehouse.db")
    return {
        "REGISTRY_URL": f"sqlite:///{folder}/registry.db",
        "OFFLINE_STORE": str(folder),
        "ONLINE_URL": f"sqlite:///{folder}/online.db",
        "WAREHOUSE_URL": f"sqlite:///{folder}/warehouse.db",
    }


@pytest.fixture
def repository(root, tmp_path):
    return Repository(root, places(tmp_path / "prod"))


def applied(repository, env):
    """What the registry of an environment holds, without when and where it was written."""
    url = repository.variables["REGISTRY_URL"]
    url = url if env == "prod" else f"sqlite:///{repository.root}/.featurectl/registry.db"
    registry = SqlRegistry(url)
    try:
        state = registry.load_state("shop")
    finally:
        registry.close()
    return sorted((replace(item, applied_at=None) for item in state.objects), key=lambda i: (i.kind, i.name, i.version))


def planned(repository, env):
    """What a plan does, without the registry that it is for."""
    result = repository.done("plan", "--env", env, "-o", "json").result
    assert result["environment"] == env
    return {key: result[key] for key in ("changes", "stages", "summary")}


# One meaning.


def test_what_dev_has_reviewed_is_what_prod_applies(repository):
    first = planned(repository, "dev")
    assert first["summary"]["add"] == 7
    assert planned(repository, "prod") == first
    for env in ("dev", "prod"):
        repository.done("apply", "--env", env, "--auto-approve")
    assert applied(repository, "dev") == applied(repository, "prod")
    assert [item for item in applied(repository, "prod") if item.kind == "feature_view" and not item.features] == []


def test_a_change_is_the_same_change_in_both(repository):
    for env in ("dev", "prod"):
        repository.done("apply", "--env", env, "--auto-approve")
    repository.change("op: sum, windows: [7d]", "op: sum, windows: [7d], where: amount > 1, name: amount_sum")
    repository.change("windows: [7d]}, {", "windows: [7d, 1d]}, {")
    changes = planned(repository, "dev")
    (view,) = (change for change in changes["changes"] if change["name"] == "spend")
    assert (view["kind"], view["new_version"]) == ("breaking", 2)
    assert planned(repository, "prod") == changes
    for env in ("dev", "prod"):
        repository.done("apply", "--env", env, "--auto-approve")
        assert planned(repository, env)["summary"]["unchanged"] == 7
    assert applied(repository, "dev") == applied(repository, "prod")


def test_the_values_of_variables_change_no_fingerprint(repository, tmp_path):
    repository.done("apply", *PROD, "--auto-approve")
    before = applied(repository, "prod")
    shutil.copytree(repository.root / "data", tmp_path / "elsewhere")
    repository.variables |= {"DATA_FOLDER": str(tmp_path / "elsewhere")}
    repository.variables |= {"WAREHOUSE_URL": write_warehouse(tmp_path / "other" / "warehouse.db")}
    assert planned(repository, "prod")["summary"]["unchanged"] == 7
    assert applied(repository, "prod") == before


# Two places.


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.long
def test_each_environment_has_its_own_stores(repository, tmp_path):
    repository.done("apply", "--auto-approve")
    for command in WORK:
        repository.done(*command)
    warehouse = {"warehouse.db": (tmp_path / "prod" / "warehouse.db").read_bytes()}
    assert files(tmp_path / "prod") == warehouse
    before = files(repository.root / ".featurectl")
    assert {name.split("/")[0].removesuffix("-wal").removesuffix("-shm") for name in before} == {
        "registry.db", "offline", "online.db",
    }  # fmt: skip
    assert "No" in repository.done("history", *PROD).out
    assert "nothing is applied of project" in repository.run("get", "spend", "customer=a", *PROD).err

    repository.done("apply", *PROD, "--auto-approve")
    for command in WORK:
        repository.done(*command, *PROD)
    stable = {name: content for name, content in before.items() if not name.endswith(("-wal", "-shm"))}
    now = files(repository.root / ".featurectl")
    assert {name: now[name] for name in stable} == stable
    assert {name.split("/")[0] for name in files(tmp_path / "prod")} >= {"registry.db", "tables", "online.db"}
    got = [repository.done("get", "spend", "customer=a", "-o", "json", *env).result for env in ((), PROD)]
    assert got[0]["features"] == got[1]["features"]


# A variable is filled when its connection is opened, for the chosen environment alone.

NONE_NEEDED = [
    ("validate",), ("test",), ("schema", "-q"), ("explain", "FC301"), ("version",), ("plan",), ("history",),
    ("status",),
]  # fmt: skip
# What each command opens in prod.
OPENS = [
    (("plan", *PROD), ["REGISTRY_URL", "ONLINE_URL", "OFFLINE_STORE"]),
    (("apply", *PROD, "--auto-approve"), ["REGISTRY_URL", "ONLINE_URL", "OFFLINE_STORE"]),
    (("history", *PROD), ["REGISTRY_URL"]),
    (("models", "list", *PROD), ["REGISTRY_URL"]),
    (("get", "spend", "customer=a", *PROD), ["REGISTRY_URL", "ONLINE_URL"]),
    (("materialize", "last_visit", *PROD), ["REGISTRY_URL", "OFFLINE_STORE", "WAREHOUSE_URL", "ONLINE_URL"]),
    (("push", *PROD), ["REGISTRY_URL", "OFFLINE_STORE", "ONLINE_URL"]),
    (("training-set", "pays", "--out", "x.csv", *PROD), ["REGISTRY_URL", "OFFLINE_STORE"]),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which prod is applied and materialized, and a model trained."""
    folder = tmp_path_factory.mktemp("made")
    repository = Repository(write_repository(folder / "repo"), places(folder / "prod"))
    repository.done("apply", *PROD, "--auto-approve")
    for command in WORK:
        repository.done(*command, *PROD)
    return folder


@pytest.fixture
def live(made, tmp_path):
    """A copy of it for one test."""
    shutil.copytree(made, tmp_path / "live")
    return Repository(tmp_path / "live" / "repo", places(tmp_path / "live" / "prod"))


@pytest.mark.parametrize("command", NONE_NEEDED, ids=lambda argv: argv[0])
@pytest.mark.sample(3)
def test_dev_needs_no_variable_of_prod(command, root):
    repository = Repository(root)
    repository.done("apply", "--auto-approve")
    ran = repository.run(*command)
    assert ran.code == (1 if command[0] == "status" else 0), ran  # nothing is materialized yet
    assert [name for name in NAMES if f"variable {name} is not set" in ran.out + ran.err] == []


@pytest.mark.parametrize(("command", "opened"), OPENS, ids=lambda value: value[0])
@pytest.mark.sample(3)
def test_a_variable_that_is_not_set_is_named_by_the_command_that_needs_it(command, opened, live):
    everything = dict(live.variables)
    for name in NAMES[:4]:
        live.variables = {key: value for key, value in everything.items() if key != name}
        ran = live.run(*command)
        if name in opened:
            assert ran.code == 64, ran
            assert f"the environment variable {name} is not set (" in ran.err
            assert f"export {name}=..., or write a default: ${{{name}:-...}}" in ran.err
            assert ran.out == ""
        else:
            assert ran.code == 0, ran


@pytest.mark.parametrize("command", [command for command, _ in OPENS], ids=lambda argv: argv[0])
def test_what_is_wrong_with_files_or_the_call_comes_before_any_variable(command, root):
    repository = Repository(root)
    ran = repository.run(*command[: command.index("--env")], "--env", "prd")
    assert (ran.code, "is not set" in ran.err) == (64, False)
    repository.change("op: count", "op: cuont")
    ran = repository.run(*command)
    goes_on = command[0] in ("history", "models", "get", "status", "materialize", "push")  # beside a broken file
    assert (ran.code, "is not set" in ran.err) == ((64, True) if goes_on else (1, False))


def test_a_default_stands_in_for_a_variable_that_is_not_set(live):
    assert "DATA_FOLDER" not in live.variables
    assert live.done("get", "spend", "customer=a", "-o", "json", *PROD).result["features"]


# What variables hold is nowhere: not in what is printed, not in what is kept.

SECRET = "S3cretPlace"  # noqa: S105  # made up
SAYING = [
    ("validate",), ("test",), ("plan", *PROD), ("plan", *PROD, "-v", "--explain"), ("plan", *PROD, "-o", "markdown"),
    ("plan", *PROD, "--out", "plan.json"), ("apply", "plan.json", "-v"), ("history", *PROD), ("history", "1", *PROD),
    ("materialize", "-v", *PROD), ("push", *PROD), ("status", "-v", *PROD), ("get", "spend", "customer=a", "-v", *PROD),
    ("training-set", "pays", "--out", "set.parquet", *PROD), ("train", "pays", "-v", *PROD), ("models", "list", *PROD),
    ("models", "show", "pays", *PROD), ("score", "pays", "--out", "scores.csv", *PROD),
]  # fmt: skip
IN_JSON = [(*argv, "-o", "json") for argv in SAYING if "-o" not in argv and argv[0] != "apply"]


def secret_places(tmp_path, root, postgres_url, redis_url):
    """Every variable holds the secret where a password, a name or a folder may stand."""
    folder = tmp_path / SECRET
    shutil.copytree(root / "data", folder / "data")
    return {
        "REGISTRY_URL": postgres_url.replace("postgres@", f"postgres:{SECRET}@"),
        "OFFLINE_STORE": str(folder),
        "ONLINE_URL": f"{redis_url}?client_name={SECRET}",
        "WAREHOUSE_URL": write_warehouse(folder / "warehouse.db"),
        "DATA_FOLDER": str(folder / "data"),
    }


@pytest.mark.long
def test_nothing_that_is_said_or_written_holds_what_a_variable_holds(tmp_path, root, postgres_url, redis_url):
    repository = Repository(root, secret_places(tmp_path, root, postgres_url, redis_url))
    assert all(SECRET in value for value in repository.variables.values())
    for argv in (*SAYING, *IN_JSON):
        ran = repository.done(*argv)
        assert SECRET not in ran.out + ran.err, argv
    found = [name for name, content in files(repository.root).items() if SECRET.encode() in content]
    assert found == []
    assert {"plan.json", "set.parquet.manifest.json", "scores.csv"} <= set(files(repository.root))
    assert SECRET not in registry_text(postgres_url)
    assert b"spend" in redis_bytes(redis_url)
    assert SECRET.encode() not in redis_bytes(redis_url)


def registry_text(url: str) -> str:
    """Every value of every row of every table."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    found = []
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        for table in tables:
            found += [str(tuple(row)) for row in connection.execute(sa.text(f'select * from "{table}"'))]
    engine.dispose()
    assert len(tables) > 3
    assert any("spend" in row for row in found)
    return "\n".join(found)


def redis_bytes(url: str) -> bytes:
    """Every key with what it holds, as the server itself writes it out."""
    import redis

    with redis.Redis.from_url(url) as client:
        return b"".join(key + (client.dump(key) or b"") for key in client.scan_iter(match="*shop*"))


def test_a_registry_file_holds_no_value_of_a_variable(tmp_path, root):
    variables = places(tmp_path / SECRET)
    repository = Repository(root, variables)
    repository.done("apply", *PROD, "--auto-approve")
    for command in WORK:
        repository.done(*command, *PROD)
    registry = b"".join(p.read_bytes() for p in (tmp_path / SECRET).glob("registry.db*"))
    online = b"".join(p.read_bytes() for p in (tmp_path / SECRET).glob("online.db*"))
    assert b"${WAREHOUSE_URL}" in registry
    assert SECRET.encode() not in registry + online


# A place where something is wrong, for each variable: what is said names the variable, not what it holds.
WRONG = [
    ("REGISTRY_URL", f"postgresql://ana:{SECRET}@127.0.0.1:1/{SECRET}?application_name={SECRET}", 69),
    ("REGISTRY_URL", f"sqlite:///{{file}}/{SECRET}.db", 69),
    ("REGISTRY_URL", SECRET, 64),
    ("ONLINE_URL", f"redis://ana:{SECRET}@127.0.0.1:1/0", 69),
    ("ONLINE_URL", f"redis://ana:{SECRET}@127.0.0.1:port/0", 64),
    ("ONLINE_URL", SECRET, 64),
    ("OFFLINE_STORE", f"{{file}}/{SECRET}", 69),
    ("WAREHOUSE_URL", f"postgresql://ana:{SECRET}@127.0.0.1:1/x?connect_timeout=2", 69),
    ("WAREHOUSE_URL", f"postgresql://ana:{SECRET}@127.0.0.1:port/x", 1),
    ("WAREHOUSE_URL", f"sqlite:////nobody/{SECRET}.db", 1),
    ("WAREHOUSE_URL", SECRET, 1),
    ("DATA_FOLDER", f"{{root}}/{SECRET}", 1),
    ("DATA_FOLDER", f"/nobody/{SECRET}", 1),
    ("DATA_FOLDER", f"{{bad}}/{SECRET}", 1),
]
FAILING = (("materialize", "--full", *PROD), ("apply", *PROD, "--auto-approve"), ("status", *PROD), ("plan", *PROD))


@pytest.mark.long
@pytest.mark.sample(2)
@pytest.mark.parametrize(("name", "value", "code"), WRONG, ids=lambda value: str(value).replace(SECRET, "X"))
@pytest.mark.sample(6)
def test_an_error_names_the_variable_and_not_what_it_holds(name, value, code, live, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "bad" / SECRET).mkdir(parents=True)
    (tmp_path / "bad" / SECRET / "orders.csv").write_text("customer,ordered_at,amount\na,2026-01-07T00:00:00Z,much\n")
    here = {"root": live.root, "file": tmp_path / "file", "bad": tmp_path / "bad"}
    live.variables |= {name: value.format(**here)}
    for argv in FAILING:
        for form in ((), ("-v",), ("-o", "json")):
            ran = live.run(*argv, *form)
            assert SECRET not in ran.out + ran.err, (argv, ran)
            assert ran.code != 70, (argv, ran)
            if argv[0] == "materialize":
                assert ran.code == code, ran
    said = live.run(*FAILING[0]).err
    assert f"${{{name}" in said
    assert [p for p in (live.root / ".featurectl").glob("crash-*") if SECRET in p.read_text()] == []


def test_a_table_that_is_broken_is_named_as_the_file_names_it(tmp_path, monkeypatch):
    log = tmp_path / SECRET / "orders" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no JSON\n")
    monkeypatch.setenv("LAKE", str(tmp_path / SECRET))
    reader = open_source(Source(name="orders", format="delta", path="${LAKE}/orders"), tmp_path)
    with pytest.raises(DataError) as caught:
        reader.parts()
    assert caught.value.message.startswith("source orders, table ${LAKE}/orders can't be read: ")
    assert SECRET not in str(caught.value)
