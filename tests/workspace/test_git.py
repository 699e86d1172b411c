"""What git says of a folder, of a hostile one too, and when it says nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.core.commits import GitCommit, parse_commit
from featurectl.workspace.git import contains, git_commit, read_checkout
from tests.git_repository import GitRepository


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def git(tmp_path):
    return GitRepository(tmp_path / "repository")


def contained(folder: Path, applied: str):
    return contains(read_checkout(folder), parse_commit(applied))


# The commit, in full, and how many files differ.


def test_the_commit_is_whole_and_empty_outside_of_git(tmp_path, git):
    assert (git_commit(tmp_path), read_checkout(tmp_path).problem) == ("", "this folder is in no git repository")
    assert (git_commit(git.folder), read_checkout(git.folder).problem) == ("", "there is no commit yet")
    head = git.commit()
    assert (len(head), git_commit(git.folder)) == (40, head)


def test_a_hash_of_sha_256_is_whole_too(tmp_path):
    git = GitRepository(tmp_path, new=False)
    git("init", "-q", "--object-format=sha256")
    head = git.commit()
    assert (len(head), git_commit(tmp_path)) == (64, head)


def test_no_git_means_no_commit(git, tmp_path, monkeypatch):
    git.commit()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (git_commit(git.folder), read_checkout(git.folder).problem) == ("", "there is no git on PATH")


def test_a_git_of_the_folder_itself_is_not_run(git, monkeypatch):
    git.commit()
    program = git.folder / "git"
    program.write_text("#!/bin/sh\ntouch ran\n")
    program.chmod(0o755)
    monkeypatch.chdir(git.folder)
    monkeypatch.setenv("PATH", ".")
    assert git_commit(git.folder) == ""
    assert not (git.folder / "ran").exists()


def test_files_that_differ_are_counted_and_of_unknown_ones_definitions(git):
    for name in ("a.yaml", "b.yaml", "data.csv", "with space.yaml"):
        (git.folder / name).write_text("1")
    (git.folder / ".gitignore").write_text("ignored*\n")
    head = git.commit()
    assert git_commit(git.folder) == head
    (git.folder / "a.yaml").write_text("2")
    (git.folder / "b.yaml").unlink()
    (git.folder / "data.csv").write_text("2")
    git("add", "data.csv")
    git("mv", "with space.yaml", "new name.yaml")
    assert git_commit(git.folder) == f"{head}-dirty-5"
    for name in ("views/new.yaml", "views/clean.py", "views/a.avsc", "plan.json", "scores.parquet", "ignored.yaml"):
        (git.folder / name).parent.mkdir(exist_ok=True)
        (git.folder / name).write_text("1")
    assert git_commit(git.folder) == f"{head}-dirty-8"


def test_files_beside_the_repositorys_folder_do_not_count(git):
    for name in ("features/a.yaml", "service/b.yaml"):
        (git.folder / name).parent.mkdir()
        (git.folder / name).write_text("1")
    head = git.commit()
    (git.folder / "service" / "b.yaml").write_text("2")
    (git.folder / "new.yaml").write_text("1")
    assert git_commit(git.folder / "features") == head
    (git.folder / "features" / "a.yaml").write_text("2")
    assert git_commit(git.folder / "features") == f"{head}-dirty-1"


def test_a_commit_is_shown_short_and_named_whole():
    commit = parse_commit("3f2a91c" + "0" * 33 + "-dirty-12")
    assert commit == GitCommit(hash="3f2a91c" + "0" * 33, dirty_files=12)
    assert (commit.shown, commit.name) == ("3f2a91c-dirty (12 files)", "3f2a91c" + "0" * 33 + "-dirty")
    assert [parse_commit(text).shown for text in ("3f2a91c", "", "a-dirty", "a-dirty-x")] == [
        "3f2a91c", "", "a-dirty", "a-dirty",
    ]  # fmt: skip


def test_variables_of_a_hook_do_not_lead_to_another_repository(git, tmp_path, monkeypatch):
    head, other = git.commit(), GitRepository(tmp_path / "other")
    other.commit("another")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    assert git_commit(git.folder) == head


# A hostile folder, and a git that hangs.


def test_nothing_that_a_repository_configures_is_run(git, tmp_path):
    ran = tmp_path / "ran"
    program = tmp_path / "hostile"
    program.write_text(f"#!/bin/sh\necho $0 $* >> {ran}\ncat\n")
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "post-checkout", "reference-transaction", "query-watchman", "fsmonitor-watchman"):
        (hooks / hook).symlink_to(program)
    (git.folder / ".gitattributes").write_text("*.yaml filter=evil diff=evil\n*.csv filter=e=v.i=l\n")
    for name in ("a.yaml", "b.csv"):
        (git.folder / name).write_text("1\n")
    git.commit()
    head = signed(git, tmp_path / "commit")
    for name in ("a.yaml", "b.csv"):
        (git.folder / name).write_text("2\n")  # of the same size: git has to look inside
    settings = {
        "core.fsmonitor": str(program), "core.hooksPath": str(hooks), "core.pager": str(program),
        "core.editor": str(program), "core.sshCommand": str(program), "core.gitProxy": str(program),
        "core.alternateRefsCommand": str(program), "core.askPass": str(program), "gpg.program": str(program),
        "diff.external": str(program), "diff.evil.textconv": str(program), "diff.evil.command": str(program),
        "filter.evil.clean": str(program), "filter.evil.process": str(program), "filter.evil.required": "true",
        "filter.evil.smudge": str(program), "filter.e=v.i=l.clean": str(program), "alias.status": f"!{program}",
        "credential.helper": f"!{program}", "uploadpack.packObjectsHook": str(program), "pager.status": str(program),
        "protocol.ext.allow": "always", "status.submoduleSummary": "true", "core.useBuiltinFSMonitor": "true",
        "log.showSignature": "true", "gpg.openpgp.program": str(program), "log.mailmap": "true",
    }  # fmt: skip
    for key, value in settings.items():
        git("config", key, value)
    ran.unlink(missing_ok=True)  # what our own git has run
    assert git_commit(git.folder) == f"{head}-dirty-2"
    assert contained(git.folder, "0" * 40)[0] is None
    assert contained(git.folder, git("rev-list", "--max-parents=0", "HEAD"))[0] is True
    assert not ran.exists(), ran.read_text()


def signed(git: GitRepository, file: Path) -> str:
    """Put a commit with a signature in the place of the newest one, and return its hash."""
    head, _, message = git("cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n aGVsbG8=\n -----END PGP SIGNATURE-----"
    file.write_text(f"{head}\n{signature}\n\n{message}\n")
    made = git("hash-object", "-t", "commit", "-w", str(file))
    git("update-ref", "HEAD", made)
    return made


def test_an_object_that_is_missing_is_not_fetched(git, tmp_path):
    ran = tmp_path / "ran"
    git.commit()
    git("config", "remote.origin.url", f"ext::sh -c touch% {ran}")
    git("config", "remote.origin.promisor", "true")
    git("config", "protocol.ext.allow", "always")
    git("config", "extensions.partialClone", "origin")
    git("config", "core.repositoryFormatVersion", "1")
    assert contained(git.folder, "1" * 40) == (None, told_missing("1111111"))
    assert not ran.exists()


def test_a_commit_that_is_unknown_may_be_newer_where_it_was_applied_later(git):
    git.commit()  # at one o'clock
    checkout, applied = read_checkout(git.folder), parse_commit("2" * 40)
    for hour, told in ((0, "it was squashed, or was never pushed"), (2, "may be newer: git pull")):
        contained, reason = contains(checkout, applied, datetime(2026, 1, 1, hour, tzinfo=UTC))
        assert (contained, reason.endswith(told)) == (None, True), reason


def told_missing(short: str) -> str:
    return f"this clone has no commit {short}: it was squashed, or was never pushed"


def test_a_git_that_hangs_is_ended_with_all_that_it_began(git, tmp_path, monkeypatch):
    git.commit()
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {tmp_path}/child\nwait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    begin = time.monotonic()
    checkout = read_checkout(git.folder, timeout_s=2)
    assert time.monotonic() - begin < 60
    assert (checkout.commit, checkout.problem) == (None, "git has not answered within 2 s")
    child = int((tmp_path / "child").read_text())
    while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] not in "ZX":
        time.sleep(0.01)  # it ends; else the test hangs


def test_a_status_that_hangs_leaves_the_commit(git, tmp_path, monkeypatch):
    head, real = git.commit(), shutil.which("git")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in *" status "*) exec sleep 1000;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    checkout = read_checkout(git.folder, timeout_s=2)
    assert str(checkout.commit) == head
    assert checkout.problem == (
        f"whether files differ from commit {head[:7]} is not known: git has not answered within 2 s"
    )


# Whether a commit contains another one.


@pytest.fixture(params=[".", "deep/features"], ids=["the root", "a folder below"])
def place(request, git):
    (git.folder / request.param).mkdir(parents=True, exist_ok=True)
    return git.folder / request.param


def change(git, place: Path, text: str) -> str:
    (place / "a.yaml").write_text(text)
    return git.commit(text)


def test_a_commit_contains_itself_and_what_came_before_it(git, place):
    first, second = change(git, place, "1"), change(git, place, "2")
    assert [contained(place, commit) for commit in (first, second)] == [(True, ""), (True, "")]
    git("checkout", "-q", first)
    assert contained(place, second) == (False, "is older than")
    assert contained(place, f"{second}-dirty-2") == (False, "is older than")


@pytest.mark.sample(1)
def test_a_branch_that_does_not_have_what_was_applied_does_not_contain_it(git, place):
    change(git, place, "1")
    git("checkout", "-q", "-b", "one")
    one = change(git, place, "of one branch")
    git("checkout", "-q", "main")
    change(git, place, "of the other")
    assert contained(place, one) == (False, "does not contain")
    git("merge", "-q", "-s", "ours", "one")
    assert contained(place, one) == (True, "")


def test_a_commit_that_was_squashed_is_contained_in_what_it_became(git, place):
    change(git, place, "1")
    git("checkout", "-q", "-b", "branch")
    change(git, place, "2")
    applied = change(git, place, "3")
    git("checkout", "-q", "main")
    if place != git.folder:
        (git.folder / "elsewhere.txt").write_text("main has moved")
        git.commit()
    assert contained(place, applied)[0] is False
    change(git, place, "3")
    assert contained(place, applied) == (True, "")
    change(git, place, "4")
    assert contained(place, applied) == (True, "")


def test_a_shallow_clone_can_not_tell_what_it_does_not_contain(git, place, tmp_path):
    commits = [change(git, place, str(number)) for number in range(4)]
    shallow = git.clone(tmp_path / "shallow", "--depth=2")
    below = shallow.folder / place.relative_to(git.folder)
    assert contained(below, commits[2]) == (True, "")
    assert contained(below, commits[0]) == (None, told_missing(commits[0][:7]))
    git("checkout", "-q", "-b", "side", commits[0])
    side = change(git, place, "side")
    shallow("fetch", "-q", "--depth=1", "origin", "side")
    told = "this clone is shallow (actions/checkout: `fetch-depth: 0`; git fetch --unshallow)"
    assert contained(below, side) == (None, told)


@pytest.mark.sample(1)
def test_an_old_short_hash_is_looked_up_and_an_ambiguous_one_not_guessed(git, place):
    first = change(git, place, "first")
    assert contained(place, first[:7]) == (True, "")
    second = change(git, place, "second")
    git("checkout", "-q", first)
    assert contained(place, second[:7]) == (False, "is older than")
    git("checkout", "-q", "main")
    short = write_twins(git, {first[:4], second[:4]})
    assert contained(place, short) == (None, f"2 commits begin with {short}")


def write_twins(git, taken: set[str]) -> str:
    """Write two commits whose hashes begin with the same four digits, which no other commit has, and return these."""
    begin = f"tree {git('rev-parse', 'HEAD^{tree}')}\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\n"
    seen: dict[str, bytes] = {}
    for number in range(100_000):
        text = f"{begin}{number}\n".encode()
        short = hashlib.sha1(f"commit {len(text)}\0".encode() + text, usedforsecurity=False).hexdigest()[:4]
        if short in seen and short not in taken:
            for content in (seen[short], text):
                (git.folder / "twin").write_bytes(content)
                git("hash-object", "-t", "commit", "-w", "twin")
            return short
        seen[short] = text
    raise AssertionError


@pytest.mark.sample(4)
@pytest.mark.parametrize("text", ["--output=x", "HEAD", "main", "", "3f", "g" * 40, "3F2A91C", "a\nb"])
def test_what_is_no_hash_is_never_given_to_git(git, place, text):
    change(git, place, "1")
    assert contained(place, text) == (None, f"{text!r} is no commit")


@pytest.mark.long
def test_a_hash_of_something_else_is_no_commit(git, place):
    change(git, place, "1")
    tree = git("rev-parse", "HEAD^{tree}")
    assert contained(place, tree) == (None, told_missing(tree[:7]))
