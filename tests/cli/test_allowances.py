"""What a review has allowed: changes by their digest, in a hidden file of the repository."""

from __future__ import annotations

import json
import resource
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from featurectl.cli.main import main
from tests.cli.shop import write_shop


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    root = tmp_path / "shop"
    root.mkdir()
    write_shop(root)
    monkeypatch.chdir(root)

    def run(line: str):
        code = main(line.split())
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    assert run("apply --auto-approve").code == 0
    return SimpleNamespace(root=root, run=run)


def remove(*names: str) -> None:
    """Leave views out of the files."""
    path = Path("views.yaml")
    lines, kept, skip = path.read_text().splitlines(keepends=True), [], False
    for line in lines:
        if line.startswith("  - "):
            skip = any(f"name: {name}" in line for name in names)
        kept += [] if skip else [line]
    path.write_text("".join(kept))


def test_what_was_reviewed_is_applied_and_nothing_else(shop):
    remove("history")
    assert shop.run("plan").code == 1
    assert shop.run("plan --write-allow .allow.yaml").code == 1
    text = Path(".allow.yaml").read_text()
    assert '  - {environment: dev, remove: "view:history", digest: "' in text
    assert shop.run("plan --allow .allow.yaml").code == 0
    remove("last_order")
    refused = shop.run("apply --auto-approve --allow .allow.yaml")
    assert (refused.code, 'view "last_order" would be removed' in refused.err) == (1, True)
    assert "(and " not in refused.err, "the other one is allowed"
    assert shop.run("plan --write-allow .allow.yaml").code == 1
    assert shop.run("apply --auto-approve --allow .allow.yaml").code == 0
    assert shop.run("plan --allow .allow.yaml").code == 0, "what is done already stays, of no effect"


def test_a_saved_plan_takes_them_when_it_is_made_and_when_it_is_applied(shop):
    remove("history")
    assert shop.run("plan --write-allow .allow.yaml --out blocked.json").code == 1
    assert shop.run("plan --allow .allow.yaml --out free.json").code == 0
    assert shop.run("apply blocked.json").code == 1
    assert shop.run("apply blocked.json --allow .allow.yaml").code == 0


def test_the_digest_is_of_the_change_and_of_no_serial_or_commit(shop):
    remove("history")
    shop.run("plan --write-allow .allow.yaml")
    before = Path("views.yaml").read_text()
    Path("views.yaml").write_text(before.replace("name: mean, expr: ", "name: mean, description: of a week, expr: "))
    shop.run("apply --auto-approve --select spend")
    assert shop.run("plan --allow .allow.yaml").code == 0


def test_a_removal_that_comes_again_waits_again(shop):
    whole = Path("views.yaml").read_text()
    remove("history")
    shop.run("plan --write-allow .allow.yaml")
    assert shop.run("apply --auto-approve --allow .allow.yaml").code == 0
    Path("views.yaml").write_text(whole)
    assert shop.run("apply --auto-approve").code == 0
    remove("history")
    assert shop.run("plan --allow .allow.yaml").code == 1


def test_an_allowance_is_of_one_environment(shop):
    remove("history")
    shop.run("plan --write-allow .allow.yaml")
    text = Path(".allow.yaml").read_text()
    Path(".allow.yaml").write_text(text.replace("environment: dev", "environment: gone"))
    assert shop.run("plan --allow .allow.yaml").code == 1
    assert shop.run("plan --write-allow .allow.yaml").code == 1
    lines = [line.split(",")[0] for line in Path(".allow.yaml").read_text().splitlines() if line.startswith("  - ")]
    assert lines == ["  - {environment: gone", "  - {environment: dev"]


def test_writing_leaves_out_what_is_of_no_use_any_more(shop):
    remove("history")
    shop.run("plan --write-allow .allow.yaml")
    shop.run("apply --auto-approve --allow .allow.yaml")
    assert shop.run("plan --write-allow .allow.yaml").code == 0
    assert Path(".allow.yaml").read_text().endswith("\nallow: []\n")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "FC101", "a file of allowances is a mapping with a list: allow"),
        ("allow: {}", "FC101", "a file of allowances is a mapping with a list: allow"),
        ("allow:\n  - {environment: dev, digest: '01234567890123456789'}", "FC107", "breaking"),
        ("allow:\n  - {environment: dev, remove: a, breaking: b, digest: '01234567890123456789'}", "FC107", "breaking"),
        ("allow:\n  - {environment: dev, remov: a, digest: '01234567890123456789'}", "FC102", "remov"),
        ("allow:\n  - {environment: dev, remove: a, digest: all}", "FC104", "'all' is no digest of a change"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(shop, text, code, message):
    Path(".allow.yaml").write_text(text)
    remove("history")
    done = shop.run("apply --auto-approve --allow .allow.yaml -o json")
    found = [p for p in json.loads(done.out)["problems"] if p["code"] == code]
    assert (done.code, len(found) >= 1) == (1, True), done.out
    assert message in found[0]["message"]


def test_a_file_outside_of_the_repository_is_not_read(shop, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("machine example.com password hunter2\n")
    Path(".allow.yaml").symlink_to(secret)
    for line in ("plan --allow .allow.yaml", f"plan --allow {secret}", "plan --allow /dev/zero", "plan --allow ."):
        done = shop.run(line)
        assert (done.code, "is no file of the repository" in done.err) == (64, True), line
        assert "hunter2" not in done.out + done.err
    missing = shop.run("plan --allow nothing.yaml")
    assert (missing.code, "plan --write-allow nothing.yaml" in missing.err) == (64, True)


def test_the_file_is_hidden_from_the_repository(shop):
    Path(".allow.yaml").write_text("allow: []\n")
    assert shop.run("validate").code == 0


def test_markdown_says_what_to_commit(shop):
    remove("history")
    shown = shop.run("plan -o markdown").out
    assert '```yaml\nallow:\n  - {environment: dev, remove: "view:history", digest: "' in shown
    Path(".allow.yaml").write_text(shown.partition("```yaml\n")[2].partition("```")[0])
    assert shop.run("plan --allow .allow.yaml").code == 0


def test_a_file_outside_of_the_repository_is_not_written(shop, tmp_path):
    outside = tmp_path / "outside.yaml"
    Path(".allow.yaml").symlink_to(outside)
    for path in (".allow.yaml", outside, "../other.yaml"):
        done = shop.run(f"plan --write-allow {path}")
        assert (done.code, f"--write-allow {path} is no file of the repository" in done.err) == (64, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]


def test_a_file_that_can_not_be_written_stays_as_it_was(shop):
    remove("history")
    shop.run("plan --write-allow .allow.yaml")
    before = Path(".allow.yaml").read_text()
    remove("spend")
    with limited_file_size(64):
        done = shop.run("plan --write-allow .allow.yaml")
    assert (done.code, "it can't be written: File too large" in done.err) == (69, True)
    assert Path(".allow.yaml").read_text() == before
    assert not list(Path().glob("*.tmp"))


def test_a_link_that_leads_to_itself_is_said_and_written_over(shop):
    Path("LOOP").symlink_to("LOOP")
    for line in ("plan --allow LOOP", "apply LOOP"):
        done = shop.run(line)
        assert (done.code, "Too many levels of symbolic links" in done.err) == (64, True), done
    for line in ("plan --write-allow LOOP", "plan --out LOOP"):
        assert shop.run(line).code == 0
        assert Path("LOOP").read_text()


@contextmanager
def limited_file_size(size: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
