"""A git repository of a test, made by git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# As on a machine whose user has configured nothing.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
_WHO = ("-c", "user.name=ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main")


class GitRepository:
    """Runs git in a folder; each of its commits has an hour of its own, so that the same ones have the same hashes."""

    def __init__(self, folder: Path, *, new: bool = True) -> None:
        self.folder = folder
        self._hour = 0
        if new:
            folder.mkdir(parents=True, exist_ok=True)
            self("init", "-q")

    def __call__(self, *words: str) -> str:
        at = f"2026-01-01T{self._hour:02}:00:00Z"
        environ = CLEAN | {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        command = ["git", "-C", str(self.folder), *_WHO, *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str = "a change") -> str:
        """Commit all files of the folder, and return the commit's hash."""
        self._hour += 1
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")

    def clone(self, folder: Path, *options: str) -> GitRepository:
        """Return a clone."""
        command = ["git", *_WHO, "clone", "-q", *options, f"file://{self.folder}", str(folder)]
        subprocess.run(command, env=CLEAN, check=True, capture_output=True)
        return GitRepository(folder, new=False)
