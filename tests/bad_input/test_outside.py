"""What lies outside of the repository is neither read nor shown, unless an environment lets sources read there."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from contextlib import closing

import polars as pl
import pytest

from featurectl.language.data_roots import DataRoots
from tests.bad_input.shop import PROJECT

SECRET = "pw-canary-7193"  # noqa: S105  # made up
VIEW = """feature_views:
  - name: t
    entity: customer
    source: orders
    transform: {}:f
    features: [{{name: x, type: int64}}]
"""
READS = ("validate", "plan", "test", "apply")


@pytest.fixture
def outside(tmp_path):
    """A folder beside the repository: a text, a table and a database that hold a secret."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "netrc").write_text(f"machine x password {SECRET}\n")
    (folder / "netrc.yaml").write_text(f"password: {SECRET}\n")
    (folder / "private.csv").write_text(f"{SECRET},at\nx,2026-01-01\n")
    pl.DataFrame({SECRET: [1]}).write_parquet(folder / "private.parquet")
    pl.DataFrame({SECRET: [1]}).write_delta(folder / "private_delta")
    return folder


def test_variables_are_not_shown_with_the_roots_that_name_them(monkeypatch):
    monkeypatch.setenv("ORDERS_PASSWORD", SECRET)
    assert SECRET not in repr(DataRoots(folders=("/data",)))


def bind_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


def refused(shop, code, *commands):
    """Every command ends with a code, and what lies outside is in no answer of it."""
    for command in commands:
        ran = shop.run(*command.split())
        assert ran.code == 1, ran
        assert code in ran.err + ran.out, ran
        assert SECRET not in ran.err + ran.out


@pytest.mark.parametrize("link", ["deep/er/stolen.yml", "featurectl.yaml", "transforms/t.py"])
def test_a_link_that_leaves_the_repository_is_not_read(shop, outside, link):
    path = shop.root / link
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(outside / "netrc")
    if link.endswith(".py"):
        shop.write("t.yaml", VIEW.format(link))
    refused(shop, "FC007", *READS, "validate -o json", "validate -o sarif", "validate -o github")


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: bind_socket(os.path.relpath(path)),
        lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)),  # /dev/zero has no end
    ],
    ids=["pipe", "socket", "device"],
)
def test_what_is_no_regular_file_is_not_opened(shop, make):
    make(shop.root / "x.yaml")
    refused(shop, "FC007", "validate", "plan")


def test_a_file_of_many_bytes_is_not_read_at_all(shop):
    with (shop.root / "x.yaml").open("wb") as file:
        file.truncate(1 << 40)  # a hole: to read it would take all memory
    assert "x.yaml: error[FC001]: the file is 1099511.6 MB; at most 5 MB are read" in shop.run("validate").err
    (shop.root / "x.yaml").rename(shop.root / "t.py")
    shop.write("t.yaml", VIEW.format("t.py"))
    assert 'error[FC208]: "t.py" has 1099511.6 MB; at most 5 MB are read' in shop.run("validate").err


def test_links_within_the_repository_are_read_as_mounts_make_them(shop):
    """A ConfigMap: every file is a link through `..data`, which is a link to a folder with a date in its name."""
    mounted = shop.root / "..2026_01_08"
    mounted.mkdir()
    for name in ("featurectl.yaml", "objects.yaml"):
        (shop.root / name).rename(mounted / name)
        (shop.root / name).symlink_to(f"..data/{name}")
    (shop.root / "data").rename(mounted / "data")
    (shop.root / "data").symlink_to("..data/data")
    (shop.root / "..data").symlink_to(mounted.name)
    for command in (["validate"], ["plan"], ["apply", "--auto-approve"], ["materialize"]):
        ran = shop.run(*command)
        assert ran.code == 0, ran


def orders_at(shop, path, extra=""):
    """Let the source of the orders read another path, without declared columns."""
    text = (shop.root / "objects.yaml").read_text()
    declared = "\n    columns: {customer: string, ordered_at: timestamp, amount: float64}"
    shop.write("objects.yaml", text.replace("data/orders.csv", path).replace(declared, extra, 1))


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("private.csv", "linked file"),
        ("private.parquet", "linked folder"),
        ("private.parquet", "upwards"),
        ("*.csv", "linked file"),
        ("*.csv", "absolute"),
        ("private_delta", "linked file"),
        ("private_delta", "absolute"),
        ("netrc", "linked folder"),
        ("netrc", "absolute"),
    ],
)
def test_data_outside_is_not_looked_at(shop, outside, name, way):
    if way == "linked file" and "*" not in name:
        (shop.root / "data" / name).symlink_to(outside / name)
    elif way == "linked folder":
        (shop.root / "linked").symlink_to(outside)
    begin = {"absolute": f"{outside}/", "upwards": "../outside/", "linked folder": "linked/"}.get(way, "data/")
    if way == "linked file" and "*" in name:
        (shop.root / "data" / "all.csv").symlink_to(outside / "private.csv")
    kind = {"netrc": "csv", "*.csv": "csv", "private_delta": "delta"}.get(name, name.rpartition(".")[2])
    orders_at(shop, f"{begin}{name}", f"\n    format: {kind}")
    refused(shop, "FC535", "validate", "plan")


@pytest.mark.parametrize("pattern", ["dat*/../../outside/*.csv", "**/../../*.csv", "data/[o]*/../orders.csv"])
@pytest.mark.usefixtures("outside")
def test_a_search_does_not_leave_by_dots_behind_a_pattern(shop, pattern):
    orders_at(shop, f'"{pattern}"')
    refused(shop, "has .. behind a pattern", "validate", "plan")


def test_a_source_reads_where_an_environment_lets_it(shop, outside):
    shutil.move(shop.root / "data" / "orders.csv", outside / "orders.csv")
    orders_at(shop, str(outside / "orders.csv"))
    hint = f'`data_roots: ["{outside}"]` of an environment in featurectl.yaml lets sources read there'
    assert hint in shop.fails(1, "validate")
    shop.write("featurectl.yaml", f'{PROJECT}    data_roots: ["{outside}"]\n')
    for command in (["validate"], ["plan"], ["apply", "--auto-approve"], ["materialize"]):
        ran = shop.run(*command)
        assert ran.code == 0, ran
    assert "count_7d" in shop.run("get", "spend", "customer=a").out


def test_what_lies_in_a_data_root_is_not_shown_by_validate(shop, outside):
    shop.write("featurectl.yaml", f'{PROJECT}    data_roots: ["{outside}"]\n')
    for name in ("private.csv", "private.parquet", "private_delta"):
        orders_at(shop, str(outside / name))
        for command in ("validate -v -o json", "plan", "test --debug"):
            ran = shop.run(*command.split())
            assert ran.code == 0, ran
            assert SECRET not in ran.err + ran.out
        shop.change("objects.yaml", str(outside / name), "data/orders.csv")


def test_a_variable_fills_a_data_root_and_an_unset_one_is_named(shop, outside, monkeypatch):
    shutil.move(shop.root / "data" / "orders.csv", outside / "orders.csv")
    orders_at(shop, "${LAKE}/orders.csv")
    shop.write("featurectl.yaml", f'{PROJECT}    data_roots: ["${{LAKE}}"]\n')
    assert shop.run("validate").code == 0
    monkeypatch.setenv("LAKE", str(outside))
    assert shop.run("apply", "--auto-approve").code == 0
    assert shop.run("materialize").code == 0
    shop.write("featurectl.yaml", f'{PROJECT}    data_roots: ["${{POND}}"]\n')
    assert shop.run("validate").code == 0
    assert "the environment variable POND is not set (environment dev: data_roots)" in shop.fails(64, "materialize")
    shop.write("featurectl.yaml", PROJECT)
    said = shop.fails(1, "materialize")
    assert "FC535" in said
    assert '`data_roots: ["${LAKE}"]` of environment dev' in said
    assert str(outside) not in said


def test_nothing_of_the_machine_itself_is_data_in_any_root(shop):
    shop.write("featurectl.yaml", f'{PROJECT}    data_roots: ["/"]\n')
    orders_at(shop, "/proc/self/environ", "\n    format: csv")
    refused(shop, "FC535", "validate")


@pytest.mark.parametrize("path", ["../outside/orders.parquet", "%2e%2e/outside/orders.parquet"])
def test_the_log_of_a_delta_table_leads_nowhere_else(shop, outside, path):
    folder = shop.root / "table"
    pl.DataFrame({"customer": ["a"], "ordered_at": ["2026-01-01"], "amount": [1.0]}).write_delta(folder)
    (file,) = folder.glob("*.parquet")
    shutil.move(file, outside / "orders.parquet")
    (log,) = (folder / "_delta_log").glob("*.json")
    log.write_text(log.read_text().replace(file.name, path.replace("../", "../../")))
    orders_at(shop, "table")
    assert shop.run("apply", "--auto-approve").code == 0
    refused(shop, "FC5", "materialize")


@pytest.mark.parametrize("linked", ["_delta_log", "_delta_log/00000000000000000000.json"])
def test_the_log_of_a_delta_table_is_no_link_to_elsewhere(shop, outside, linked):
    here = shop.root / "table" / linked
    here.parent.mkdir(parents=True)
    here.symlink_to(outside / "private_delta" / linked)
    orders_at(shop, "table", "\n    dedup_key: [nope]")
    refused(shop, "FC535", "validate", "plan")
    assert linked in shop.fails(1, "validate")


def test_a_log_that_is_a_link_within_the_repository_is_read(shop):
    pl.DataFrame({"customer": ["a"], "ordered_at": ["2026-01-01"], "amount": [1.0]}).write_delta(shop.root / "table")
    (shop.root / "table" / "_delta_log").rename(shop.root / "log")
    (shop.root / "table" / "_delta_log").symlink_to("../log")
    orders_at(shop, "table", "\n    dedup_key: [nope]")
    assert 'no column "nope"' in shop.fails(1, "validate")


def test_a_pipe_in_the_log_of_a_delta_table_is_not_opened(shop):
    pl.DataFrame({"customer": ["a"], "ordered_at": ["2026-01-01"], "amount": [1.0]}).write_delta(shop.root / "table")
    os.mkfifo(shop.root / "table" / "_delta_log" / "00000000000000000001.json")
    orders_at(shop, "table")
    refused(shop, "FC502", "validate")


def test_a_database_outside_is_not_opened(shop, outside, monkeypatch):
    import sqlite3

    with closing(sqlite3.connect(outside / "private.db")) as database, database:
        database.execute(f"create table t as select '{SECRET}' as customer, '2026-01-01' as ordered_at, 1.5 as amount")
    text = (shop.root / "objects.yaml").read_text()
    query = 'sql: {url: "${WAREHOUSE}", query: select * from t}'
    shop.write("objects.yaml", text.replace("path: data/orders.csv", query))
    monkeypatch.setenv("WAREHOUSE", "sqlite:///../outside/private.db")
    assert shop.run("apply", "--auto-approve").code == 0
    refused(shop, "FC535", "materialize")
    shop.write("featurectl.yaml", f'{PROJECT}    data_roots: ["../outside"]\n')
    assert shop.run("materialize").code == 0


def test_a_spine_that_a_command_names_is_read_wherever_it_lies(live, outside):
    (outside / "spine.csv").write_text("customer,event_time\na,2026-01-05\n")
    spine = ["--spine", str(outside / "spine.csv")]
    ran = live.run("training-set", "--features", "spend:count_7d", *spine, "--out", "out.parquet")
    assert ran.code == 0, ran
    assert pl.read_parquet("out.parquet")["count_7d"].to_list() == [8]
