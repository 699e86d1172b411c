"""Stores that can't be reached, written or read: exit 69 with the store's name, no password; nothing half-written."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

REDIS = "redis://ana:secret@127.0.0.1:1/0"
NO_PASSWORD = "postgresql://ana@127.0.0.1:1/shop"  # noqa: S105  # made up
POSTGRES = "postgresql://ana:secret@127.0.0.1:1/shop?connect_timeout=2"
BELOW_A_FILE = "data/orders.csv/folder"  # root may write anywhere, but not below a regular file
REGISTRY, OFFLINE = "registry: sqlite:///.featurectl/registry.db", "offline: .featurectl/offline"
ONLINE = "online: sqlite:///.featurectl/online.db"
EVERY = [
    ("plan",), ("apply", "--auto-approve"), ("history",), ("materialize", "-q"), ("push",),
    ("get", "spend", "customer=a"),
    ("status",), ("train", "pays"), ("models", "list"), ("score", "pays", "--out", "x.csv"),
    ("training-set", "pays", "--out", "x.csv"),
]  # fmt: skip
SPEND = ".featurectl/offline/shop/spend/v1"
NEW_ROW = "a,2026-01-07T08:00:00Z,4.5\n"


def newer(shop):
    """Give the source a row that the tables lack."""
    with (shop.root / "data/orders.csv").open("a") as file:
        file.write(NEW_ROW)


@pytest.mark.parametrize("command", EVERY[3:6], ids=lambda argv: argv[0])
def test_an_unreachable_redis_is_named(live, command):
    live.change("featurectl.yaml", ONLINE, f"online: {REDIS}")
    said = live.fails(69, *command)
    assert said.startswith("error[FC602]: the online store redis://127.0.0.1:1/0 can't be reached: ")
    assert "is the server running" in said
    assert "secret" not in said


def test_the_offline_table_is_whole_when_the_online_store_is_gone(live):
    newer(live)
    live.change("featurectl.yaml", ONLINE, f"online: {REDIS}")
    assert live.run("materialize").code == 69
    live.change("featurectl.yaml", f"online: {REDIS}", ONLINE)
    assert live.run("materialize").code == 0
    assert "last event 2026-01-07 08:00" in live.run("get", "spend", "customer=a").out
    assert "last event 2026-01-07 08:00" in live.run("get", "last_order", "customer=a").out


def test_status_shows_a_store_that_is_gone_and_exits_1(live):
    live.change("featurectl.yaml", ONLINE, f"online: {REDIS}")
    ran = live.run("status")
    assert ran.code == 1
    assert "ERROR  the online store redis://127.0.0.1:1/0 can't be reached" in ran.out
    assert "0 ok, 2 error." in ran.out


@pytest.mark.parametrize("command", EVERY[:5], ids=lambda argv: argv[0])
def test_an_unreachable_registry_is_named(live, command):
    live.change("featurectl.yaml", REGISTRY, f"registry: {POSTGRES}")
    said = live.fails(69, *command)
    assert said.startswith("error[FC601]: registry postgresql://127.0.0.1:1/shop can't be used: ")
    assert "secret" not in said


def test_an_unreachable_database_of_a_source_is_named(shop):
    shop.change("objects.yaml", "path: data/orders.csv\n", f'sql: {{url: "{NO_PASSWORD}", query: "select 1"}}\n')
    assert shop.run("validate").code == 0
    assert shop.run("apply", "--auto-approve").code == 0
    said = shop.fails(69, "materialize", "-q")
    assert said.startswith("error[FC605]: source orders: postgresql://127.0.0.1:1/shop can't be read: ")
    assert "secret" not in said


@pytest.mark.parametrize(
    ("damage", "command"),
    [*(("text", command) for command in EVERY), ("pages", EVERY[1]), ("cut", EVERY[1]), ("pages", EVERY[3])],
)
def test_a_corrupt_registry_is_named_and_left_alone(live, damage, command):
    path = live.root / ".featurectl/registry.db"
    content = path.read_bytes()
    damaged = {
        "text": b"no database" * 900,
        "pages": content[:4096] + b"\x55" * (len(content) - 4096),
        "cut": content[:9000],
    }
    path.write_bytes(damaged[damage])
    said = live.fails(69, *command)
    assert said.startswith("error[FC601]: registry sqlite:///.featurectl/registry.db can't be used: ")


@pytest.mark.parametrize("document", ["[]", "{}", '{"name": "spend", "source": 5, "features": 5}'])
def test_a_definition_of_another_shape_is_an_error_of_the_registry(live, document):
    with closing(sqlite3.connect(live.root / ".featurectl/registry.db")) as registry, registry:
        registry.execute("update objects set definition = ? where kind = 'feature_view'", (document,))
    assert live.fails(69, *EVERY[5]).startswith("error[FC601]: the registry holds a d")
    assert live.run("status").code == 69


@pytest.mark.parametrize("document", ["[]", '{"changes": 5}'])
def test_a_plan_of_another_shape_is_an_error_of_the_registry(live, document):
    with closing(sqlite3.connect(live.root / ".featurectl/registry.db")) as registry, registry:
        registry.execute("update history set plan = ?", (document,))
    assert live.fails(69, "history", "1").startswith("error[FC601]: the registry holds a document")


@pytest.mark.parametrize("command", EVERY[3:6], ids=lambda argv: argv[0])
@pytest.mark.parametrize("damage", ["text", "pages"])
def test_a_corrupt_online_store_is_named_and_left_alone(live, command, damage):
    path = live.root / ".featurectl/online.db"
    content = path.read_bytes()
    path.write_bytes(b"no database" * 900 if damage == "text" else content[:4096] + b"\x55" * (len(content) - 4096))
    said = live.fails(69, *command)
    assert said.startswith("error[FC602]: the online store sqlite:///.featurectl/online.db can't be used: ")


def test_a_corrupt_log_of_a_table_is_named_and_left_alone(live):
    (log,) = (live.root / ".featurectl/offline/shop/spend").rglob("*.json")
    log.write_text("{nothing")
    for command in (("push", "spend"), ("get", "spend", "customer=a", "--offline"), ("train", "pays")):
        said = live.fails(69, *command)
        assert f"error[FC603]: the offline table {SPEND} can't be read: " in said
        assert "= featurectl materialize --full spend@1 makes the table anew" in said


def test_a_lost_table_file_is_named_by_all_and_made_again_with_full(live):
    [file] = (live.root / SPEND).rglob("*.parquet")
    file.unlink()
    said = f"the offline table {SPEND} can't be read: bucket=0/{file.name} is gone"
    hint = "featurectl materialize --full spend@1 makes the table anew"
    failed = live.run("materialize", "-q")
    assert (failed.code, f"error[FC603]: {said}\n  = {hint}\n" in failed.err) == (69, True), failed
    status = live.run("status")
    assert (status.code, f"{said}; {hint}" in status.out) == (1, True), status
    assert "  = versions that are: 1\n" in live.fails(64, "materialize", "spend@9")
    rows = (live.root / "data/orders.csv").read_text().splitlines()
    live.write("data/orders.csv", "\n".join(rows[:-1]) + "\n")
    made = live.run("materialize", "--full", "spend@1")
    assert (made.code, "spend@1: 1 row fewer than before\n" in made.out, "last_order" in made.out) == (0, True, False)
    assert live.run("status").code == 0


def test_an_erasure_that_met_a_lost_table_file_ends_after_full(live):
    [file] = (live.root / SPEND).rglob("*.parquet")
    file.unlink()
    hint = "featurectl materialize --full spend@1 makes the table anew"
    failed = live.run("erase", "customer", "customer=a")
    assert (failed.code, f"= {hint}\n" in failed.err) == (69, True), failed
    assert live.run("materialize", "--full", "spend@1").code == 0
    assert live.run("erase", "--again").code == 0
    assert live.run("status").code == 0
    assert "NOT_FOUND" in live.run("get", "spend", "customer=a", "--offline").out


@pytest.mark.parametrize("bytes_left", [0, 100])
def test_a_table_file_that_is_cut_is_named(live, bytes_left):
    [file] = (live.root / SPEND).rglob("*.parquet")
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:bytes_left])
    said = f"the offline table {SPEND} can't be read: bucket=0/{file.name} has {bytes_left} of {size:,} bytes"
    failed = live.run("materialize", "-q")
    assert (failed.code, said in failed.err) == (69, True), failed
    assert said in live.run("status").out


def test_a_new_version_is_made_though_a_file_of_the_older_one_is_gone(live):
    live.change("objects.yaml", "    aggregates:\n", "    where: amount > 0\n    aggregates:\n")
    assert live.run("apply", "--auto-approve", "--allow-breaking", "spend").code == 0
    for file in (live.root / SPEND).rglob("*.parquet"):
        file.unlink()
    newer(live)
    made = live.run("materialize", "spend@2", "--no-online")
    assert (made.code, "spend@2  first" in made.out) == (0, True), made


@pytest.mark.long
@pytest.mark.parametrize("damage", ["{nothing", None])
@pytest.mark.sample(1)
def test_a_rebuild_sets_a_log_aside_that_can_not_be_read(live, damage):
    newer(live)
    live.run("materialize", "spend")
    first, last = sorted((live.root / SPEND / "_delta_log").glob("*.json"))
    whole = live.run("get", "spend", "customer=a").out
    if damage is None:
        first.unlink()
    else:
        last.write_text(damage)
    assert live.run("materialize", "spend").code == 69
    ran = live.run("materialize", "--full")
    assert ran.code == 0, ran.err
    assert f"warning: a log that can't be read lies at {SPEND}/_delta_log_unreadable_" in ran.err
    assert live.run("get", "spend", "customer=a").out == whole
    assert live.run("materialize", "--full").err.count("unreadable") == 0
    assert live.run("verify", "--store").code == 0


def test_a_corrupt_file_of_a_table_is_named_and_a_rebuild_repairs_it(live):
    (rows,) = (live.root / ".featurectl/offline/shop/spend").rglob("*.parquet")
    rows.write_text("no table")
    said = live.fails(69, "training-set", "pays", "--out", "x.csv")
    assert f"error[FC603]: the offline table {SPEND} can't be read: " in said
    assert live.run("materialize", "--full").code == 0
    assert live.run("training-set", "pays", "--out", "x.csv").code == 0


def test_an_offline_folder_that_can_not_be_made_is_named(shop):
    shop.change("featurectl.yaml", OFFLINE, f"offline: {BELOW_A_FILE}")
    said = shop.fails(69, "apply", "--auto-approve")
    assert said == f"error[FC603]: the offline folder {BELOW_A_FILE} can't be made: Not a directory\n"
    assert "6 to add" in shop.run("plan").out


@pytest.mark.parametrize("command", EVERY, ids=lambda argv: argv[0])
@pytest.mark.parametrize("path", ["r.db", "deep/r.db"])
def test_a_registry_below_a_file_is_named_with_the_file_in_the_way(live, command, path):
    live.change("featurectl.yaml", REGISTRY, f"registry: sqlite:///data/orders.csv/{path}")
    assert live.fails(69, *command) == (
        f"error[FC601]: registry sqlite:///data/orders.csv/{path} can't be used: "
        f"{live.root}/data/orders.csv is a file, not a folder\n"
    )


def test_an_online_store_that_can_not_be_made_is_named(live):
    live.change("featurectl.yaml", ONLINE, f"online: sqlite:///{BELOW_A_FILE}/on.db")
    for command in EVERY[3:6]:
        said = live.fails(69, *command)
        assert said.startswith(f"error[FC602]: the online store sqlite:///{BELOW_A_FILE}/on.db can't be used: ")


@pytest.mark.parametrize(
    ("kind", "written", "commands"),
    [("registry", REGISTRY, EVERY), ("offline", OFFLINE, [EVERY[i] for i in (3, 4, 6, 7, 9, 10)]),
     ("online", ONLINE, EVERY[3:6])],
)  # fmt: skip
def test_an_unset_variable_is_named_by_the_command_that_needs_it(live, monkeypatch, kind, written, commands):
    monkeypatch.delenv("SHOP_STORE", raising=False)
    live.change("featurectl.yaml", written, f'{kind}: "${{SHOP_STORE}}"')
    assert live.run("validate").code == 0
    for command in commands:
        assert live.fails(64, *command) == (
            f"error: the environment variable SHOP_STORE is not set (environment dev: {kind})\n"
            "  = export SHOP_STORE=..., or write a default: ${SHOP_STORE:-...}\n"
        )


def test_an_unset_variable_of_a_source_is_named(shop, monkeypatch):
    monkeypatch.delenv("LAKE", raising=False)
    shop.change("objects.yaml", "path: data/orders.csv\n", 'path: "${LAKE}/orders.csv"\n')
    assert shop.run("validate").code == 0
    assert shop.run("apply", "--auto-approve").code == 0
    assert "the environment variable LAKE is not set (source orders)" in shop.fails(64, "materialize")


@pytest.mark.parametrize("command", EVERY, ids=lambda argv: argv[0])
def test_a_registry_from_a_variable_is_named_by_it(live, monkeypatch, command):
    monkeypatch.setenv("SHOP_REGISTRY", POSTGRES)
    live.change("featurectl.yaml", REGISTRY, 'registry: "${SHOP_REGISTRY}"')
    assert live.fails(69, *command).startswith("error[FC601]: registry ${SHOP_REGISTRY} can't be used: ")


def test_an_online_store_from_a_variable_is_named_by_it(live, monkeypatch):
    monkeypatch.setenv("SHOP_HOST", "127.0.0.1:1")
    live.change("featurectl.yaml", ONLINE, 'online: "redis://ana:secret@${SHOP_HOST}/0"')
    assert live.fails(69, "push").startswith("error[FC602]: the online store redis://${SHOP_HOST}/0 can't be reached: ")


def test_an_offline_store_from_a_variable_is_named_by_it(live, monkeypatch):
    monkeypatch.setenv("SHOP_TABLES", f"{live.root}/{BELOW_A_FILE}/hidden")
    live.change("featurectl.yaml", OFFLINE, 'offline: "${SHOP_TABLES}/deep"')
    for command, shown in (
        (("materialize",), "the offline table ${SHOP_TABLES}/deep/shop/last_order/v1 can't be written: "),
        (("apply", "--auto-approve"), "the offline folder ${SHOP_TABLES}/deep can't be made: "),
    ):
        said = live.fails(69, *command)
        assert f"error[FC603]: {shown}" in said
        assert "hidden" not in said


def test_a_database_of_a_source_from_a_variable_is_named_by_it(shop, monkeypatch):
    monkeypatch.setenv("SHOP_ORDERS", POSTGRES)
    shop.change("objects.yaml", "path: data/orders.csv\n", 'sql: {url: "${SHOP_ORDERS}", query: "select 1"}\n')
    assert shop.run("apply", "--auto-approve").code == 0
    assert "source orders: ${SHOP_ORDERS} can't be read: " in shop.fails(69, "materialize")


@pytest.mark.parametrize(
    ("written", "kind", "url"),
    [(REGISTRY, "registries", "nosuchdb://host/x"), (ONLINE, "online stores", "memcached://host")],
)
def test_an_unknown_kind_of_store_is_wrong_usage(live, monkeypatch, written, kind, url):
    key = written.partition(":")[0]
    live.change("featurectl.yaml", written, f"{key}: {url}")
    name = url.partition(":")[0]
    assert f'no {kind} are at "{name}://"' in live.fails(1, "materialize")
    live.change("featurectl.yaml", f"{key}: {url}", f"{key}: ${{STORE}}")
    monkeypatch.setenv("STORE", url)
    assert name in live.fails(64, "materialize")


def test_a_model_artifact_that_was_changed_or_is_gone_is_not_loaded(live):
    (artifact,) = (live.root / ".featurectl/offline/models").rglob("*.txt")
    artifact.write_bytes(artifact.read_bytes() + b"\n")
    said = live.fails(1, "score", "pays", "--out", "x.csv")
    name = artifact.relative_to(live.root / ".featurectl/offline")
    assert said.startswith(f"error[FC512]: model artifact {name} is not the file that was registered\n")
    artifact.unlink()
    said = live.fails(1, "score", "pays", "--out", "x.csv")
    assert said.startswith(f"error[FC512]: model artifact {name} is gone\n")


def test_an_artifact_that_can_not_be_written_registers_no_version(live):
    models = live.root / ".featurectl/offline/models"
    for path in sorted(models.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    models.rmdir()
    models.write_text("a file in the way")
    assert "error[FC603]: model artifact" in live.fails(69, "train", "pays")
    assert live.run("models", "list").out.count("\n") == 2
