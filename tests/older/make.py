"""Make a project by an older featurectl, to see that this one reads on: `python -m tests.older.make COMMIT`.

The commit's files are taken out beside the repository and run by the libraries of this environment. What is written:
the registry, the offline tables, the online store and the model of a small shop, and what `get` answered then.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.bad_input.shop import write_shop

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMMANDS = (("apply", "--auto-approve"), ("materialize",), ("train", "pays"))
ASKED = {"spend": "get spend customer=a", "last_order": "get last_order customer=b"}


def run(code: Path, root: Path, *words: str) -> str:
    environ = os.environ | {"PYTHONPATH": str(code)}
    command = [sys.executable, "-m", "featurectl", *words]
    return subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True, text=True).stdout


def make(commit: str) -> Path:
    """Write the archive of a commit, and return it."""
    with tempfile.TemporaryDirectory() as folder:
        code, root = Path(folder) / "code", Path(folder) / "shop"
        code.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x"], cwd=code, input=archive, check=True)
        write_shop(root)
        for words in COMMANDS:
            run(code, root, *words)
        for name, question in ASKED.items():
            (root / f"{name}.json").write_text(run(code, root, *question.split(), "-o", "json"))
        out = HERE / f"{commit}.tar.gz"
        with tarfile.open(out, "w:gz") as tar:
            tar.add(root, arcname=".")
    return out


if __name__ == "__main__":
    for each in sys.argv[1:]:
        path = make(each)
        sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")
