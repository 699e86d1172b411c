"""`featurectl monitor check` and `run`, from files to messages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from featurectl.cli.main import main
from tests.cli.watched_shop import AN_HOUR_ON, FRESH, LATER, STALE, STOPPED, make_watched_shop
from tests.cli.watched_shop import change_alerts as change
from tests.servers.hooks import running_hook


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_watched_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(made, tmp_path, monkeypatch, capsys):
    """A function that runs a command on an applied repository and returns its exit code and what it printed."""
    root = tmp_path / "shop"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("HOOK_URL", raising=False)

    def run(*words):
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, out, err

    run.root = root
    return run


def rows(out):
    return {row["alert"]: row for row in json.loads(out)["result"]["alerts"]}


def test_a_fault_in_measuring_is_told_by_its_type_and_shown_by_debug(shop, monkeypatch):
    def ages(*_):
        raise RuntimeError("cannot open postgresql://ana:s3cret@db/x")

    monkeypatch.setattr("featurectl.monitor.alerts.workspace_metrics.WorkspaceMetrics.ages", ages)
    code, out, err = shop("monitor", "check", "--as-of", STALE)
    assert (code, "a fault of featurectl: RuntimeError; --debug shows where" in out) == (1, True)
    with closing(sqlite3.connect(shop.root / "r.db")) as registry:
        (state,) = registry.execute("select document from alert_states").fetchone()
    assert [text for text in (out, err, state) if "s3cret" in text or "cannot open" in text] == []
    assert "RuntimeError: cannot open" in shop("monitor", "check", "--as-of", STALE, "--debug")[2]


def test_a_pipeline_that_stops_is_told_once_repeated_and_resolved(shop):
    assert shop("monitor", "check", "--as-of", FRESH)[0] == 0
    code, out, _ = shop("monitor", "check", "--as-of", STALE)
    assert (code, "pending" in out) == (0, True)
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert code == 1
    assert out.splitlines() == [
        "alert  about                        state   value  threshold       since             cause",
        f"stale  source:orders: view:spend@1  firing  26 h   freshness > 1d  2026-01-08 11:00  {STOPPED}",
        "",
        "told file: stale (source:orders: view:spend@1) firing",
        "",
        "1 alert with 1 subject: 1 firing.",
    ]
    assert shop("monitor", "check", "--as-of", AN_HOUR_ON)[0] == 1
    assert shop("monitor", "check", "--as-of", LATER)[0] == 1
    with (shop.root / "orders.csv").open("a") as orders:
        orders.write("ana,2026-01-08,2026-01-08T18:10:00Z,2\n")
    assert shop("materialize", "--as-of", "2026-01-08T18:20:00Z", "-q")[0] == 0
    code, out, _ = shop("monitor", "check", "--as-of", "2026-01-08T18:30:00Z")
    assert (code, "told file: stale (source:orders: view:spend@1) resolved" in out) == (0, True)
    told = [json.loads(line) for line in (shop.root / "told.jsonl").read_text().splitlines()]
    assert [message["kind"] for message in told] == ["firing", "repeat", "resolved"]
    assert {message["key"] for message in told} == {f"featurectl/shop/dev/stale/source:orders/1/{AN_HOUR_ON}"}
    assert told[0]["look"] == "featurectl why spend@1 --env dev"
    assert (told[0]["value"], told[0]["measured"]) == ("26 h", 26 * 3600)


def test_the_table_has_first_what_fires_and_the_json_seconds(shop):
    change(shop.root, "    for: 1h\n", "")
    change(shop.root, "    repeat: 6h\n", "  - {name: never, when: checks > 100, severity: info, notify: [file]}\n")
    change(shop.root, "views: [spend]", 'views: ["*"]')
    shop("apply", "--auto-approve")
    _, out, _ = shop("monitor", "check", "--as-of", STALE)
    assert [line.split()[0] for line in out.partition("\n\n")[0].splitlines()[1:]] == [
        "stale", "view:history@1", "view:last_order@1", "view:spend@1"
    ]  # fmt: skip
    assert out.splitlines()[1].split()[:3] == ["stale", "source:orders", "firing"]
    assert out.endswith(
        "told file: stale (source:orders: 3 subjects) firing\n\n2 alerts with 6 subjects: 3 firing by 1 cause, 3 ok.\n"
    )
    assert len((shop.root / "told.jsonl").read_text().splitlines()) == 1
    _, out, _ = shop("monitor", "check", "--as-of", STALE, "-v")
    shown = out.partition("\n\n")[0].splitlines()[1:]
    assert [word for line in shown for word in line.split() if word in ("firing", "ok")] == ["firing", *["ok"] * 3]
    _, out, _ = shop("monitor", "check", "--as-of", STALE, "-o", "json")
    assert rows(out)["stale"]["value"] == 25 * 3600
    assert len(json.loads(out)["result"]["alerts"]) == 6
    (incident,) = json.loads(out)["result"]["incidents"]
    assert (incident["root_cause"], incident["state"], len(incident["subjects"])) == ("source:orders", "firing", 3)


def test_looking_alone_tells_nobody_and_changes_nothing(shop):
    shop("monitor", "check", "--as-of", STALE)
    before = (shop.root / "r.db").read_bytes()
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON, "--dry-run")
    assert (code, "would tell file: stale (source:orders: view:spend@1) firing" in out) == (1, True)
    assert (shop.root / "r.db").read_bytes() == before
    assert not (shop.root / "told.jsonl").exists()


def test_a_look_at_the_past_leaves_what_was_seen_later_and_says_so(shop):
    shop("monitor", "check", "--as-of", STALE)
    shop("monitor", "check", "--as-of", AN_HOUR_ON)
    code, out, _ = shop("monitor", "check", "--as-of", FRESH)
    assert (code, "firing (later)" in out) == (1, True)
    assert out.endswith("1 alert with 1 subject: 0 firing, 1 changed later and left alone.\n")
    assert len((shop.root / "told.jsonl").read_text().splitlines()) == 1


def test_an_alert_that_only_informs_fails_nothing(shop):
    change(shop.root, "severity: critical", "severity: info")
    shop("apply", "--auto-approve")
    shop("monitor", "check", "--as-of", STALE)
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON, "-o", "json")
    assert (code, rows(out)["stale"]["state"]) == (0, "firing")


def test_what_is_applied_counts_not_what_the_files_say(shop):
    change(shop.root, "freshness > 24h", "freshness > 30d")
    shop("monitor", "check", "--as-of", STALE)
    assert shop("monitor", "check", "--as-of", AN_HOUR_ON)[0] == 1
    code, out, _ = shop("apply", "--auto-approve")
    assert code == 0
    assert "~ alert  stale  metadata  when: freshness > 1d -> freshness > 30d" in out
    assert "After apply, materialize computes" not in out
    assert shop("monitor", "check", "--as-of", AN_HOUR_ON)[0] == 0
    assert "resolved" in (shop.root / "told.jsonl").read_text()
    assert "1 changed" in shop("history")[1]


def test_an_alert_that_the_files_leave_out_is_removed_like_any_object(shop):
    text = (shop.root / "alerts.yaml").read_text()
    (shop.root / "alerts.yaml").write_text(text[: text.index("alerts:")])
    _, out, _ = shop("plan", "--detailed-exitcode")
    assert "- alert  stale  BLOCKED  left out of the files   (FC401; --allow-remove stale)" in out
    assert shop("apply", "--auto-approve", "--allow-remove", "stale")[0] == 0
    assert "No alert is applied" in shop("monitor", "check")[1]


def test_a_notifier_that_an_alert_uses_can_not_be_left_out(shop):
    change(shop.root, '  - {name: file, command: "tee -a told.jsonl"}\n', "")
    code, _, err = shop("validate")
    assert (code, 'no notifier "file"' in err) == (1, True)


def test_a_secret_in_an_address_is_in_no_plan(shop):
    change(shop.root, '"${HOOK_URL}"', '"https://hooks.example.com/T0/hush"')
    for form in ("text", "json", "markdown"):
        code, out, _ = shop("plan", "-o", form)
        assert (code, "hush" in out) == (0, False)
    assert "https://hooks.example.com/..." in out


def test_an_unset_variable_is_named_when_needed_and_the_message_waits(shop, monkeypatch):
    change(shop.root, "notify: [file]", "notify: [file, hook]")
    shop("apply", "--auto-approve")
    assert shop("monitor", "check", "--as-of", STALE)[0] == 0
    code, out, err = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, "told file: stale" in out) == (64, True)
    assert "the environment variable HOOK_URL is not set (notifier hook)" in err
    assert b"${HOOK_URL}" in (shop.root / "r.db").read_bytes() or (shop.root / "r.db-wal").exists()
    with running_hook() as hook:
        monkeypatch.setenv("HOOK_URL", hook.url)
        _change_outbox(shop.root / "r.db", "document = json_set(document, '$.due_at', '2026-01-01T00:00:00Z')")
        code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, len(hook.taken)) == (1, 1)


@pytest.mark.long
def test_a_message_refused_for_good_is_reported_while_its_alert_fires(shop, monkeypatch):
    change(shop.root, "notify: [file]", "notify: [hook]")
    shop("apply", "--auto-approve")
    shop("monitor", "check", "--as-of", STALE)
    with running_hook() as hook:
        hook.next.append((404, "no_service", {}))
        monkeypatch.setenv("HOOK_URL", hook.url)
        for _ in range(2):
            code, out, err = shop("monitor", "check", "--as-of", AN_HOUR_ON)
            assert code == 1
            firing = "not told hook: stale (source:orders: view:spend@1) firing"
            assert f"{firing}, given up: the webhook answered 404: no_service" in out
            assert "notifier hook refused: the webhook answered 404: no_service\n  = once that is mended: " in err
        assert hook.asked == 1
        code, out, err = shop("monitor", "check", "--as-of", AN_HOUR_ON, "--again")
        assert (code, err) == (1, "")
        assert "\ntold hook: stale (source:orders: view:spend@1) firing\n" in out
        for words in ((), ("--again",)):
            assert "told hook" not in shop("monitor", "check", "--as-of", AN_HOUR_ON, *words)[1]
    assert hook.asked == 2
    assert shop("monitor", "check", "--again", "--dry-run")[0] == 64


@pytest.mark.long
def test_a_refused_end_is_sent_on_request_and_an_outdated_begin_is_not(shop, monkeypatch):
    change(shop.root, "notify: [file]", "notify: [file, hook]")
    shop("apply", "--auto-approve")
    shop("monitor", "check", "--as-of", STALE)
    with running_hook() as hook:
        monkeypatch.setenv("HOOK_URL", hook.url)
        shop("monitor", "check", "--as-of", AN_HOUR_ON)
        change(shop.root, "freshness > 24h", "freshness > 90h")
        shop("apply", "--auto-approve")
        hook.next.append((404, "no_service", {}))
        _, out, _ = shop("monitor", "check", "--as-of", LATER)
        assert "not told hook: stale (source:orders: view:spend@1) resolved, given up" in out
        assert "told hook" not in shop("monitor", "check", "--as-of", LATER)[1]
        again = shop("monitor", "check", "--as-of", LATER, "--again")[1]
        assert "told hook: stale (source:orders: view:spend@1) resolved\n" in again
        _change_outbox(shop.root / "r.db", "state = 'failed', document = json_set(document, '$.state', 'failed')")
        assert (
            "told file: stale (source:orders: view:spend@1) firing"
            not in shop("monitor", "check", "--as-of", LATER, "--again")[1]
        )


@pytest.mark.long
def test_a_message_to_a_notifier_that_is_gone_is_given_up_without_a_miss(shop):
    change(shop.root, "notify: [file]", "notify: [file, hook]")
    change(shop.root, "severity: critical", "severity: info")
    shop("apply", "--auto-approve")
    shop("monitor", "check", "--as-of", STALE)
    assert shop("monitor", "check", "--as-of", AN_HOUR_ON)[0] == 64  # the variable is not set
    change(shop.root, "notify: [file, hook]", "notify: [file]")
    change(shop.root, '  - {name: hook, webhook: "${HOOK_URL}"}\n', "")
    assert shop("apply", "--auto-approve", "--allow-remove", "hook")[0] == 0
    _change_outbox(shop.root / "r.db", "document = json_set(document, '$.due_at', '2026-01-01T00:00:00Z')")
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    told = "not told hook: stale (source:orders: view:spend@1) firing, given up: notifier hook is no longer applied"
    assert (code, told in out) == (0, True)
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, "hook" in out) == (0, False)


def test_what_can_not_be_observed_is_an_error_and_resolves_nothing(shop):
    shop("monitor", "check", "--as-of", STALE)
    shop("monitor", "check", "--as-of", AN_HOUR_ON)
    (shop.root / "deep").rename(shop.root / "gone")
    code, out, err = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, "not seen" in out) == (1, True)
    assert "= affects stale (view:spend@1)" in err
    shutil.rmtree(shop.root / "deep", ignore_errors=True)
    (shop.root / "gone").rename(shop.root / "deep")
    assert rows(shop("monitor", "check", "--as-of", AN_HOUR_ON, "-o", "json")[1])["stale"]["incident"] == 1
    assert len((shop.root / "told.jsonl").read_text().splitlines()) == 1


def test_a_registry_that_is_gone_is_no_answer(shop):
    (shop.root / "r.db").unlink()
    (shop.root / "r.db").mkdir()
    assert shop("monitor", "check")[0] == 69


def test_a_registry_that_was_lost_is_not_as_if_all_were_well(shop):
    for file in shop.root.glob("r.db*"):
        file.unlink()
    code, _, err = shop("monitor", "check")
    assert code == 1
    assert err.startswith("error: nothing is applied of project shop in dev: ")


def start(shop, url, *words):
    command = [sys.executable, "-m", "featurectl", "monitor", *words, "--as-of", AN_HOUR_ON]
    environ = {**os.environ, "HOOK_URL": url}
    return subprocess.Popen(command, cwd=shop.root, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


@pytest.mark.long
def test_a_killed_daemon_and_one_beside_it_lose_nothing_and_stop_on_demand(shop):
    """The first is killed while the message is under way; then a daemon and a cron job look at the same time."""
    change(shop.root, "notify: [file]", "notify: [hook]")
    shop("apply", "--auto-approve")
    shop("monitor", "check", "--as-of", STALE)
    killed = []

    def kill_sender(_document, _path):
        killed[0].kill()

        return 200, "", {}

    with running_hook(kill_sender) as hook:
        killed.append(start(shop, hook.url, "run", "--every", "1s"))
        assert killed[0].stderr.read().startswith(b"looking every 1s")
        assert killed[0].wait(60) == -signal.SIGKILL
        killed[0].stderr.close()
        assert len(hook.taken) == 1
        hook.judge = lambda *_: (200, "", {})
        _change_outbox(shop.root / "r.db", "lease_until = '2026-01-01T00:00:00Z'")
        daemon, cron = start(shop, hook.url, "run", "--every", "1s"), start(shop, hook.url, "check")
        assert daemon.stderr.readline().startswith(b"looking every 1s")
        assert cron.wait(60) == 1
        cron.stderr.close()
        while len(hook.taken) < 2:
            assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
        daemon.stderr.close()
    assert len(hook.taken) == 2
    assert hook.taken[0] == hook.taken[1]  # with the same key: who took the first knows the second


def _change_outbox(registry, change):
    """Let time pass that nobody has to wait for."""
    with closing(sqlite3.connect(registry)) as connection, connection:
        connection.execute(f"update deliveries set {change}")


@pytest.mark.usefixtures("tmp_path")
def test_wrong_usage_of_run_ends_it(shop):
    assert shop("monitor", "run", "--every", "often")[0] == 64
    assert shop("monitor", "run", "--env", "none")[0] == 64
