"""Wrong command lines, prompts without a terminal, interrupts and closed pipes: exit 64, 75 or 130 and one line."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from featurectl.core.disk_room import FULL_HINT
from featurectl.registry.sql import SqlRegistry
from tests.bad_input.shop import Shop

APPLIED = (
    "no feature view 'spnd' is applied in project shop\n  = did you mean \"spend\"? applied views: last_order, spend\n"
)
OUT = ("--out", "x.csv")
WRONG = [
    (("materialize", "spnd"), APPLIED),
    (("push", "spnd"), APPLIED),
    (("get", "spnd", "customer=a"), APPLIED),
    (("training-set", "--features", "spnd:x", "--spine", "asks", *OUT), APPLIED),
    (("get", "spend@9", "customer=a"), "no feature view 'spend@9' is applied in project shop\n"),
    (("get", "spend@x", "customer=a"), "'spend@x' names no version\n"),
    (("get", "spend"), "key customer is missing\n  = keys: customer=STRING\n"),
    (("get", "spend", "custmer=a"), "no key 'custmer'\n  = did you mean \"customer\"? keys: customer=STRING\n"),
    (("get", "spend", "customer=a", "--as-of", "noon"), "--as-of 'noon' is not an instant\n"),
    (("train", "payz"),
     "no model 'payz' is applied in project shop\n  = did you mean \"pays\"? applied models: pays\n"),
    (("score", "payz", *OUT),
     "no model 'payz' is applied in project shop\n  = did you mean \"pays\"? applied models: pays\n"),
    (("models", "show", "payz"),
     "no model 'payz' is applied in project shop\n  = did you mean \"pays\"? applied models: pays\n"),
    (("training-set", "payz", *OUT),
     "no model 'payz' is applied in project shop\n  = did you mean \"pays\"? applied models: pays\n"),
    (("score", "pays@7", *OUT), "model pays has no version '7'\n  = versions: 1, champion\n"),
    (("score", "pays@challenger", *OUT), "model pays has no version 'challenger'\n  = versions: 1, champion\n"),
    (("training-set", "--features", "spend:x", "--spine", "asks", *OUT),
     "view spend has no feature 'x'\n  = features: count_7d, amount_sum_7d\n"),
    (("training-set", "--features", "spend:*,count_7d", "--spine", "asks", *OUT), "'count_7d' is not view:feature\n"),
    (("training-set", "--features", "spend", "--spine", "asks", *OUT), "'spend' is not view:feature\n"),
    (("training-set", "--features", "spend:*", *OUT), "--features needs a spine\n"),
    (("training-set", "pays", "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-02T00:00:00Z", *OUT),
     "--since is not before --until: the range is empty\n"),
    (("training-set", *OUT), "give a MODEL or --features, one of them\n"),
    (("training-set", "pays", "--spine", "nowhere", *OUT),
     "error: nowhere: neither a source nor a file\n  = sources: asks"),
    (("training-set", "pays", "--spine", "no.csv", *OUT), "spine no.csv: no such file\n"),
    (("score", "pays", "--spine", "objects.yaml", *OUT), "spine objects.yaml: what format is it?\n"),
    (("training-set", "pays", "--since", "noon", *OUT), "'noon' is not an instant\n"),
    (("training-set", "pays", "--sample", "2", *OUT), "--sample 2.0 is no share\n"),
    (("training-set", "pays", "--seed", "-1", *OUT), "--seed -1 is no seed\n"),
    (("training-set", "pays", "--spine", "a" * 300, *OUT), "aaa: neither a source nor a file\n"),
    (("training-set", "pays", "--spine", "a" * 300 + ".csv", *OUT), "a.csv: no such file\n"),
    (("training-set", "pays", "--out", "a" * 300 + ".csv"), "a.csv can't be written: File name too long\n"),
    (("training-set", "pays"), "where to? --out FILE is missing\n"),
    (("score", "pays"), "where to? --out FILE is missing\n"),
    (("training-set", "pays", "--out", "no/x.csv"), "--out no/x.csv: the folder "),
    (("score", "pays", "--out", "data/orders.csv/x.csv"), "data/orders.csv does not exist\n"),
    (("score", "pays", "--out", "x.xlsx"),
     "--out x.xlsx: what format is it?\n  = names end in .parquet, .csv, .delta\n"),
    (("training-set", "pays", "--out", "x"), "--out x: what format is it?\n"),
    (("plan", "--env", "prd"), "no environment 'prd' in featurectl.yaml\n  = environments: dev\n"),
    (("test", "--env", "prd"), "no environment 'prd' in featurectl.yaml\n  = environments: dev\n"),
    (("validate", "--env", "prd"), "no environment 'prd' in featurectl.yaml\n  = environments: dev\n"),
    (("status", "-C", "nowhere"), "there is no folder "),
    (("status", "-C", "a" * 300), "there is no folder "),
    (("status", "-C", "data"), "no featurectl.yaml in "),
    (("explain", "FC999"), "no problem code 'FC999'\n"),
    (("apply", "--allow-remove", "spend"), "--allow-remove spend: nothing of that name is being removed\n"),
    (("init", ".", "--template", "empty"), ". has featurectl.yaml already\n"),
    (("init", "data/orders.csv/x"), "can't write data/orders.csv/x: Not a directory\n"),
    (("init", "new", "--template", "flight"), "no template 'flight'\n  = templates: flights, swipes, minimal, empty\n"),
    (("plan", "--outptu", "json"), "No such option: --outptu\n  = did you mean --output?\n"),
    (("-C", "nowhere", "plan"), "there is no folder "),
    (("--env", "prd", "plan"), "no environment 'prd' in featurectl.yaml\n  = environments: dev\n"),
    (("--as-of", "2026-01-01", "get"),
     "No such option: --as-of\n  = options of one command stand behind it: featurectl status --as-of TIME\n"),
    (("--hepl",), "No such option: --hepl\n  = did you mean --help?\n"),
    (("apply", "saved.json"), "the plan saved.json can't be read: No such file or directory\n"),
    (("apply", "data/orders.csv"), "data/orders.csv is no saved plan\n  = featurectl plan --out FILE writes one\n"),
    (
        ("apply", "--lock-timeout", "soon"),
        "--lock-timeout 'soon' is no length of time\n  = like 5s, 2m or 0.25\n",
    ),
    (("apply", "--lock-timeout", "2d"), "--lock-timeout '2d' is not within bounds\n  = 0s to 1d\n"),
    (("plan", "--select", "spendd"), "--select 'spendd' chooses nothing\n  = did you mean \"spend\"?\n"),
    (("plan", "--select", "xyz"), "--select 'xyz' chooses nothing\n  = there are: "),
    (("plan", "--select", "+"), "--select '+' can't be read\n  = write one of: name, "),
    (("plan", "--select", "kind:view"), "--select 'kind:view': no kind 'view'\n"),
    (("plan", "--select", "colour:red"), "--select 'colour:red' can't be read\n"),
    (("plan", "--out", "data/orders.csv/p.json"), "the plan can't be written to data/orders.csv/p.json: Not a dir"),
    (("train",), "Missing argument 'model'"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "said"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
@pytest.mark.sample(30)
def test_wrong_usage_names_what_is_known_and_changes_nothing(live, argv, said):
    assert said in live.fails(64, *argv)


def test_an_unknown_command_is_answered_in_the_form_that_is_asked_for(live):
    assert "No such command 'plam'\n  = did you mean \"plan\"?\n" in live.fails(64, "plam")
    ran = live.run("plan", "--outptu", "x", "--output=json")
    document = json.loads(ran.out)
    assert (ran.code, ran.err, document["exit_code"], document["command"]) == (64, "", 64, "plan")
    assert document["result"]["error"]["message"] == "No such option: --outptu"


@pytest.mark.parametrize("words", [(), ("models",)])
def test_a_command_line_without_a_command_is_answered_with_help(shop, words):
    ran = shop.run(*words)
    assert (ran.code, ran.out) == (64, "")
    assert ran.err.startswith("Usage: ")
    assert "\nCommands:\n" in ran.err


@pytest.mark.parametrize("command", [("materialize",), ("train", "pays"), ("score", "pays", *OUT)], ids=lambda a: a[0])
def test_before_apply_every_command_says_so(shop, command):
    ran = shop.run(*command)
    assert (ran.code, "featurectl apply" in ran.err) == (1, True)
    assert not (shop.root / ".featurectl/registry.db").exists()


def test_plan_and_apply_never_ask_without_a_terminal(shop, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert shop.run("plan").code == 0
    said = shop.fails(64, "apply")
    assert said == "error: apply asks before it changes anything, and there is no terminal\n  = add --auto-approve\n"
    assert not (shop.root / ".featurectl/registry.db").exists()


def test_a_registry_that_is_locked_is_worth_another_try(live):
    live.change("objects.yaml", "features: [amount]", "features: [amount, {name: twice, expr: 2 * amount}]")
    registry = SqlRegistry(f"sqlite:///{live.root}/.featurectl/registry.db")
    with registry.lock("shop", "ana@desk"):
        before = registry.load_state("shop")
        ran = live.run("apply", "--auto-approve")
        assert (ran.code, "ana@desk" in ran.err) == (75, True)
        assert registry.load_state("shop") == before
    registry.close()
    assert live.run("apply", "--auto-approve").code == 0


# `apply` as the leader of a session whose terminal is its stdin, so that ^C reaches it.
OWN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "featurectl", "apply"])
"""


def on_terminal(answer, between=None):
    """Run `apply` on a terminal; once it asks, do something else, then answer; return exit code, stdout and screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL], stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True
    )
    os.close(theirs)
    screen = b""
    while b"[y/N]" not in screen and select.select([ours], [], [], 30)[0]:
        screen += os.read(ours, 4096)
    if between is not None:
        between()
    os.write(ours, answer)
    out, _ = process.communicate(timeout=30)
    while select.select([ours], [], [], 0)[0]:
        try:
            screen += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    return process.returncode, out, screen.decode().replace("\r\n", "\n")


@pytest.mark.long
def test_an_apply_whose_registry_moved_is_worth_another_try(shop):
    def other():
        assert shop.run("apply", "--auto-approve").code == 0

    code, out, screen = on_terminal(b"y\n", other)
    assert (code, out) == (75, "")
    assert "the registry has changed since the plan was made: serial 0 then, 1 now\n  = plan again\n" in screen
    assert shop.run("history").out.count("apply: 6 added") == 1


@pytest.mark.long
def test_ctrl_c_at_the_prompt_is_130_and_changes_nothing(shop):
    code, out, screen = on_terminal(b"\x03")
    assert (code, out) == (130, "")
    assert "Traceback" not in screen
    assert not (shop.root / ".featurectl/registry.db").exists()


INTERRUPTED = """
class Estimator:
    def fit(self, matrix, label):
        print("half way")
        raise KeyboardInterrupt

    def predict(self, matrix):
        return matrix[:, 0]
"""


def test_ctrl_c_while_a_model_is_fitted_is_130_and_registers_nothing(live, monkeypatch):
    live.write("half_way.py", INTERRUPTED)
    monkeypatch.syspath_prepend(live.root)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    params = ", params: {n_estimators: 2, min_child_samples: 2, verbose: -1}"
    live.change("objects.yaml", f"lightgbm.LGBMClassifier{params}", "half_way.Estimator")
    assert live.run("apply", "--auto-approve").code == 0
    said = live.fails(130, "train", "pays")
    assert said.endswith("half way\ninterrupted\n")
    assert live.run("models", "list").out.count("\n") == 2


def process(live: Shop, shell: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line in the repository; `$F` is featurectl."""
    environ = {**os.environ, "F": f"{sys.executable} -m featurectl"}
    return subprocess.run(
        ["bash", "-c", shell], cwd=live.root, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", ["schema", "plan -o json", "--help"])
@pytest.mark.sample(1)
def test_a_reader_that_leaves_early_sees_no_traceback(live, command):
    done = process(live, f"$F {command} | head -n 1; exit ${{PIPESTATUS[0]}}")
    assert done.returncode in (0, 1)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.long
def test_a_command_goes_on_when_nobody_reads_its_progress(live):
    (live.root / "data/orders.csv").write_text("customer,ordered_at,amount\na,2026-01-07T08:00:00Z,4.5\n")
    assert process(live, "$F materialize --full 2>&1 >rows.txt | true; exit ${PIPESTATUS[0]}").returncode == 0
    assert "2 of 2 tables changed" in (live.root / "rows.txt").read_text()
    assert process(live, "$F version 2>&-").returncode == 0


@pytest.mark.parametrize("command", ["version", "--help", "plan --wrong -o json"])
@pytest.mark.sample(1)
def test_a_full_disk_below_stdout_is_69_with_what_helps(live, command):
    assert Path("/dev/full").exists()
    done = process(live, f"$F {command} > /dev/full")
    assert (done.returncode, done.stderr) == (
        69,
        f"error: stdout can't be written: No space left on device\n  = {FULL_HINT}\n",
    )


def test_a_closed_stdout_is_no_fault(live):
    done = process(live, "$F version >&-")
    assert (done.returncode, done.stderr) == (0, "")
