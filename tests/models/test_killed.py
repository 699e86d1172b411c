"""What registers, moves and retires model versions, and `training-set`, killed anywhere: the old state or the new."""

from __future__ import annotations

import json
import random
import shutil
import signal
from dataclasses import dataclass

import pytest

from featurectl.cli.main import main
from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.served_model import check_golden, load_served
from featurectl.workspace.open import open_workspace
from tests.model_shop import PROJECT, objects, write_files
from tests.models.killed import run_until
from tests.seeds import seed_of

COMMANDS = {
    "train": ("train", "m", "--again"),
    "import": ("models", "import", "m", "--file", "exported/model.txt"),
    "promote": ("models", "promote", "m@2"),
    "promote-to": ("models", "promote", "m@2", "--to", "prod"),
    "retire": ("models", "retire", "m@2"),
    "training-set": ("training-set", "m", "--out", "out.parquet"),
}
PROD = """  prod: {registry: "sqlite:///p/r.db", offline: p/off, online: "sqlite:///p/on.db", now: 2026-01-20T00:00:00Z}
"""
STOPPED = -signal.SIGKILL


@dataclass(frozen=True)
class Seen:
    """What there is: versions with digests of their files, aliases, commands of the history, and the set made."""

    versions: tuple
    aliases: tuple
    history: tuple
    rows: bytes
    manifest: object
    elsewhere: tuple = ()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository with two versions of a model, an export and a training set of before."""
    root = tmp_path_factory.mktemp("made")
    write_files(root, objects())
    (root / "featurectl.yaml").write_text(PROJECT + PROD)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        for words in (["apply", "--auto-approve"], ["materialize"], ["train", "m"],
                      ["train", "m", "--again"],
                      ["apply", "--auto-approve", "--env", "prod"], ["materialize", "--env", "prod"],
                      ["models", "export", "m@1", "--out", "exported"]):  # fmt: skip
            assert main([*words, "-q"]) == 0
    (root / "out.parquet").write_text("old")
    return root


def see(root):
    with open_workspace(root, None, None, "unread") as workspace:
        state, location = workspace.state(), workspace.offline_location()
        entries = workspace.registry().read_history("shop")
    manifest = root / "out.parquet.manifest.json"
    return Seen(
        versions=versions_of(state, location),
        aliases=tuple(sorted(state.aliases.items())),
        history=tuple(entry.command for entry in entries),
        rows=(root / "out.parquet").read_bytes(),
        manifest=json.loads(manifest.read_text())["file"] if manifest.exists() else None,
        elsewhere=see_prod(root),
    )


def see_prod(root):
    with open_workspace(root, "prod", None, "unread") as workspace:
        state, location = workspace.state(), workspace.offline_location()
        commands = tuple(entry.command for entry in workspace.registry().read_history("shop"))
    return versions_of(state, location), tuple(sorted(state.aliases.items())), commands


def versions_of(state, location):
    """Return the versions of a registry, each loaded and proven from its files."""
    found = []
    for version in sorted(state.model_versions, key=lambda v: v.version):
        assert check_golden(load_served(version, location, PicklePolicy()), location) == len(
            range(40)[: version.rows_train or 40]
        )
        found.append(
            (
                version.version,
                version.artifact_sha256,
                version.onnx_sha256,
                version.golden_sha256,
                version.judged_sha256,
                version.status,
            )
        )
    return tuple(found)


def copy(made, folder):
    shutil.copytree(made, folder)
    return folder


def campaign(made, tmp_path, name, kills):
    """Kill a command at so many of its writes; return how many left the old state, and how many the new one."""
    words, draw = COMMANDS[name], random.Random(seed_of(7))
    whole = copy(made, tmp_path / "whole")
    before = see(whole)
    code, writes = run_until(whole, words, 0)
    assert code == 0
    after = see(whole)
    assert after != before
    left = {"old": 0, "new": 0}
    for number in sorted(draw.sample(range(1, writes + 1), min(kills, writes))):
        root = copy(made, tmp_path / str(number))
        assert run_until(root, words, number)[0] == STOPPED, number
        found = see(root)
        is_new = found.rows == after.rows if name == "training-set" else found == after
        assert is_new or found == before, (number, writes)
        left["new" if is_new else "old"] += 1
        assert run_until(root, words, 0)[0] == 0
        check_again(name, is_new, see(root), after)
        shutil.rmtree(root)
    return left


def check_again(name, was_done, again, after):
    """A command that is run again after it was killed comes to what one that nobody killed comes to."""
    if name in ("train", "import"):
        made = [version[1:] for version in again.versions]
        assert made[-1] == after.versions[-1][1:]  # the same files, by one number more where it was registered before
        assert len(made) == len(after.versions) + was_done
    else:
        assert again == after


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.sample(1)
def test_a_command_that_is_killed_leaves_the_old_state_or_the_new_one(made, tmp_path, name):
    assert sum(campaign(made, tmp_path, name, 2).values()) == 2


@pytest.mark.stress
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_any_write_leaves_the_old_state_or_the_new_one(made, tmp_path, name, capsys):
    left = campaign(made, tmp_path, name, 200)
    with capsys.disabled():
        print(  # noqa: T201  # for who runs it with -s
            f"\n{name}: killed {sum(left.values())} times, {left['old']} left the old state, {left['new']} the new one"
        )
    assert left["old"] > 0
