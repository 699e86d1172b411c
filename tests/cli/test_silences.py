"""What is silenced, and notifiers that are tried out."""

from __future__ import annotations

import json
import shutil

import pytest

from featurectl.cli.main import main
from tests.cli.watched_shop import AN_HOUR_ON, STALE, make_watched_shop
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


def test_a_subject_that_is_silenced_is_marked_and_the_others_are_told(shop):
    change(shop.root, "    for: 1h\n", "")
    change(shop.root, "views: [spend]", 'views: ["*"]')
    shop("apply", "--auto-approve")
    assert shop("monitor", "silence", "stale", "--for", "1h", "--subject", "view:h*", "--as-of", STALE)[0] == 0
    code, out, _ = shop("monitor", "check", "--as-of", STALE)
    assert (code, "told file: stale (source:orders: 2 subjects) firing" in out) == (1, True)
    assert "  view:history@1     firing (silenced)" in out
    assert out.endswith("1 alert with 3 subjects: 3 firing by 1 cause (1 silenced).\n")
    assert shop("monitor", "silence", "stale", "--for", "1h", "--subject", "source:ord*", "--as-of", STALE)[0] == 0
    code, out, _ = shop("monitor", "check", "--as-of", STALE)
    assert (code, "1 alert with 3 subjects: 3 firing by 1 cause (3 silenced)." in out) == (0, True)


def test_a_notifier_is_tried_out_by_a_message_of_no_alert(shop, monkeypatch):
    before = (shop.root / "r.db").read_bytes()
    code, out, _ = shop("monitor", "test", "file")
    assert (code, out.splitlines()[0]) == (0, "sent to file (command):")
    assert out.endswith("\ncame back: the command ended with exit code 0\n")
    (told,) = [json.loads(line) for line in (shop.root / "told.jsonl").read_text().splitlines()]
    assert (told["kind"], told["title"]) == ("test", "TEST info: test (notifier:file) in dev")
    assert shop("monitor", "test", "hook")[0] == 64  # the variable is not set
    code, _, err = shop("monitor", "test", "fill")
    assert (code, "applied notifiers: file, hook" in err) == (64, True)
    with running_hook() as hook:
        monkeypatch.setenv("HOOK_URL", f"{hook.url}/services/hush-hush")
        hook.next += [(404, "no_service", {}), (200, "thanks", {})]
        hook.next.insert(0, (404, "no_service", {}))
        code, out, _ = shop("monitor", "test", "hook")
        assert (code, out.splitlines()[0]) == (1, "tried to send to hook (webhook):")
        code, out, _ = shop("monitor", "test", "hook", "-o", "json")
        assert (code, json.loads(out)["result"]["error"]) == (1, "the webhook answered 404: no_service")
        code, out, _ = shop("monitor", "test", "hook")
    assert (code, out.splitlines()[-1], "hush" in out) == (0, "came back: the webhook took it: thanks", False)
    assert (shop.root / "r.db").read_bytes() == before


@pytest.mark.long
def test_a_silence_is_kept_to_listed_and_ended(shop):
    code, out, _ = shop(
        "monitor", "silence", "st*", "--for", "2h", "--reason", "a move", "--as-of", STALE, "-o", "json"
    )
    silence = json.loads(out)["result"]["silence"]
    assert (code, silence["until"], silence["reason"]) == (0, "2026-01-08T13:00:00Z", "a move")
    shop("monitor", "check", "--as-of", STALE)
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, "firing (silenced)" in out, "1 alert with 1 subject: 1 firing (1 silenced)" in out) == (0, True, True)
    code, out, _ = shop("monitor", "silence", "--list", "--as-of", AN_HOUR_ON)
    assert silence["id"] in out
    assert shop("monitor", "silence", "--end", silence["id"], "--as-of", AN_HOUR_ON)[0] == 0
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, "told file: stale (source:orders: view:spend@1) firing" in out) == (1, True)
    assert shop("monitor", "silence", "--list", "--as-of", AN_HOUR_ON)[1] == "Nothing is silenced.\n"
    for subject in ("view:spend@*", "store:dev", "*", "[v]iew:*", "v*"):
        assert shop("monitor", "silence", "stale", "--for", "1h", "--subject", subject)[0] == 0


def test_a_message_that_waits_when_a_silence_begins_is_held_and_told_so(shop):
    change(shop.root, "notify: [file]", "notify: [hook]")
    shop("apply", "--auto-approve")
    shop("monitor", "check", "--as-of", STALE)
    assert shop("monitor", "check", "--as-of", AN_HOUR_ON)[0] == 64  # the variable is not set
    shop("monitor", "silence", "stale", "--for", "2h", "--as-of", AN_HOUR_ON)
    code, out, _ = shop("monitor", "check", "--as-of", AN_HOUR_ON)
    assert (code, "not told hook: stale (source:orders: view:spend@1) firing, held while it is silenced" in out) == (
        0,
        True,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "which alert?"),
        (("stale", "--list"), "which alert?"),
        (("stale",), "silence stale: for how long?"),
        (("--list", "--for", "2h"), "--for, --subject and --reason are of a new silence"),
        (("stale", "--for", "soon"), "--for 'soon' is no duration"),
        (("fresh", "--for", "2h"), "no alert 'fresh' is applied in project shop"),
        (("--end", "12"), "no silence '12' that is not over"),
        (("stale", "--for", "2h", "--subject", "spend"), "nothing is 'spend'"),
        (("stale", "--for", "2h", "--subject", "view:spent@*"), "nothing is 'view:spent@*'"),
        (
            ("stale", "--for", "36500d", "--as-of", "9990-01-01T00:00:00Z"),
            "--for ends after the last year that there is",
        ),
    ],
)
def test_a_silence_that_means_nothing_is_wrong_usage(shop, words, told):
    code, _, err = shop("monitor", "silence", *words)
    assert (code, told in err) == (64, True)
