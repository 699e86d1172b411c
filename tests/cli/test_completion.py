"""What a shell completes, through the protocol of its script; whatever fails completes nothing and says nothing."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from featurectl.cli.completion import UnfinishedWord
from featurectl.cli.main import main
from tests.catalog.shop import make_shop

BASH = {"_FEATURECTL_COMPLETE": "complete_bash"}


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys) -> Path:
    """An applied repository, in the current folder."""
    make_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def completed(monkeypatch, capsys):
    """Ask as bash does: the words as it takes them apart, the last is the one that is completed."""

    def complete(*words: str) -> list[str]:
        monkeypatch.setenv("_FEATURECTL_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["featurectl", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert main([]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.split()

    return complete


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["val"], ["validate"]),
        (["models", "canary", "a"], ["abort"]),
        (["show", "sp"], ["spend"]),
        (["why", ""], ["history", "last_order", "spend"]),
        (["materialize", "spend", "his"], ["history"]),
        (["train", ""], ["big"]),
        (["models", "promote", "b"], ["big"]),
        (["show", "spend:per"], ["spend:per_order"]),
        (["show", "spend", ":", "per"], ["per_order"]),
        (["models", "list", "--uses", "last"], ["last_order"]),
        (["monitor", "silence", "o"], ["old_spend"]),
        (["monitor", "test", ""], ["ops"]),
        (["why", "spend", "@", ""], ["@1", "@2"]),
        (["show", "spend", "@"], ["@1", "@2"]),
        (["show", "spend", "@", "2"], ["@2"]),
        (["show", "spend@"], ["spend@1", "spend@2"]),
        (["show", "spend", "@", "1", ":", "per"], ["per_order"]),
        (["get", "spend", ":", "count"], ["count_7d"]),
        (["get", "spend", ":", "count_7d", ""], ["customer="]),
        (["get", "spend", "@", "1", "c"], ["customer="]),
        (["get", "last_order", ""], ["customer=", "day="]),
        (["get", "last_order", "day", "=", "2026-01-01", ""], ["customer="]),
        (["why", "spend", ""], ["customer="]),
        (["get", "spend", "customer", "="], []),
        (["score", "b"], ["big"]),
        (["score", "big", "@"], ["@1", "@champion"]),
        (["score", "big", "@", "ch"], ["@champion"]),
        (["models", "diff", ""], ["big@1"]),
        (["models", "diff", "big", "@", "1", "b"], ["big@1"]),
        (["models", "retire", "big"], ["big@1"]),
        (["plan", "--env", "=", ""], ["dev"]),
        (["plan", "--env", ""], ["dev"]),
        (["list", "--env", "d"], ["dev"]),
        (["explain", "FC203"], ["FC203"]),
        (["plan", "-o", ""], ["json", "markdown", "text"]),
        (["validate", "-o", "s"], ["sarif"]),
        (["plan", "--color", "a"], ["always", "auto"]),
        (["init", "--template", ""], ["empty", "flights", "minimal", "swipes"]),
        (["list", "f"], ["features"]),
        (["plan", "--det"], ["--detailed-exitcode"]),
        (["-q", "--env", "dev", "why", "s"], ["spend"]),
        (["--env", ""], ["dev"]),
        (["-q", "--env", "d"], ["dev"]),
        (["--env", "=", "d"], ["dev"]),
        (["--color", ""], ["always", "auto", "never"]),
        (["-o", ""], ["json", "text"]),
        (["models", "--env", ""], ["dev"]),
        (["models", "show", "big", "@"], ["@1", "@champion"]),
        (["models", "promote", "big", "--to", ""], ["dev"]),
        (["push", "--remove", "s"], ["spend@1"]),
        (["training-set", "--keys-from", "s"], ["spend"]),
        (["list", "--select", "s"], ["spend", "state:"]),
        (["plan", "--select", "tag", ":", ""], ["money", "people"]),
        (["plan", "--select", "kind", ":", "f"], ["feature_view"]),
        (["plan", "--select", "entity", ":"], ["customer", "customer_day"]),
        (["why", "nothing_like"], []),
        (["nothing", "x"], []),
    ],
)
def test_names_words_and_options_are_completed(completed, words, offered):
    assert completed(*words) == offered


def test_another_repository_is_looked_into(completed, shop, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert completed("why", "s") == []
    assert completed("-C", str(shop), "why", "s") == ["spend"]
    assert completed("why", "-C", str(shop), "s") == ["spend"]


@pytest.mark.parametrize("damage", ["featurectl.yaml", "r.db"])
def test_what_can_not_be_read_completes_nothing_and_says_nothing(completed, shop, damage):
    (shop / damage).write_bytes(b"\x00{no" * 5_000)
    assert completed("why", "s") == []


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered_too(monkeypatch, capsys, shell):
    monkeypatch.setenv("_FEATURECTL_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "featurectl -q why sp")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "spend" in out
    assert err == ""


@pytest.mark.parametrize(
    ("line", "offered"), [("why s", "spend"), ("models retire b", "big@1"), ("get spend c", "customer=")]
)
@pytest.mark.sample(1)
def test_completion_loads_neither_frames_nor_sqlalchemy(shop, line, offered):
    code = (
        "import sys\nfrom featurectl.cli.main import main\nmain([])\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'polars', 'sqlalchemy', 'numpy', 'deltalake'}))"
    )
    words = f"featurectl {line}"
    environ = os.environ | BASH | {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=shop, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [offered, "[]"]


@pytest.mark.long
def test_a_tab_in_a_real_bash_completes(shop):
    bash = shutil.which("bash")
    assert bash is not None
    code = (
        "from typer._completion_shared import get_completion_script\n"
        "print(get_completion_script(prog_name='featurectl', complete_var='_FEATURECTL_COMPLETE', shell='bash'))"
    )
    script = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    rc = shop / "rc"
    rc.write_text(f"PS1='ready> '\n{script}\n")
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb"}
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(shop)
        os.execve(bash, [bash, "--noprofile", "--rcfile", str(rc), "-i"], environ)  # noqa: S606
    try:
        read_until(terminal, b"ready> ")
        os.write(terminal, b"featurectl why spe\t")
        read_until(terminal, b"why spend ")
        os.write(terminal, b"\x15featurectl score big@ch\t")
        read_until(terminal, b"score big@champion ")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


@pytest.mark.usefixtures("shop")
def test_a_shell_does_not_wait_long_for_a_registry_that_is_silent():
    with UnfinishedWord(text="", parameters={}).workspace() as workspace:
        assert workspace.registry_wait_s == 2


def read_until(terminal: int, text: bytes) -> None:
    """Read what a terminal shows until a text is there; a minute without anything new is a hang."""
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, seen
        seen += os.read(terminal, 4096)
