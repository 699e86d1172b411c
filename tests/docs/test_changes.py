"""The fragments of changes/: each is of a kind that `make changes` knows, and is put into the changelog whole."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

from click.testing import CliRunner
from towncrier._shell import cli

from tests.docs.pages import ROOT

FRAGMENTS = sorted(path for path in (ROOT / "changes").iterdir() if path.name not in ("README.md", ".gitignore"))
KINDS = [
    kind["directory"] for kind in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
]


def built(folder: Path) -> str:
    """Return a changelog into which the fragments of a folder were put."""
    found = CliRunner().invoke(cli, ["build", "--keep", "--dir", str(folder), "--version", "9.9.9"])
    assert found.exit_code == 0, found.output
    return (folder / "CHANGELOG.md").read_text()


def test_every_fragment_has_a_name_that_make_changes_takes():
    pattern = re.compile(rf"\+[a-z0-9-]+\.({'|'.join(KINDS)})\.md")
    assert [path.name for path in FRAGMENTS if not pattern.fullmatch(path.name)] == []


def test_fragments_are_put_above_the_release_before(tmp_path):
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "changes").mkdir()
    for fragment in FRAGMENTS:
        shutil.copy(fragment, tmp_path / "changes")
    for kind in KINDS:
        (tmp_path / "changes" / f"+something.{kind}.md").write_text(f"Something {kind}.\n")
    text = built(tmp_path)
    new, old = text.split("\n## 9.9.9 ")[1].split("\n## 0.1.0 ", 1)
    assert [line for line in (f"- Something {kind}." for kind in KINDS) if line not in new] == []
    assert "Something" not in old
    assert all(fragment.read_text().split()[0] in new for fragment in FRAGMENTS)
