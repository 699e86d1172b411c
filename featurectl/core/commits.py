"""The commit that something was done from, as the registry keeps it: "3f2a91c...", or "3f2a91c...-dirty-3"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TEXT: Final = re.compile(r"(.*?)-dirty-([0-9]{1,9})", re.DOTALL)
_SHOWN: Final = 7  # characters of a hash that people read; older registries hold no more


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCommit:
    """A commit, and how many files of the repository's folder were not as it has them."""

    hash: str
    dirty_files: int = 0

    def __str__(self) -> str:
        return f"{self.hash}-dirty-{self.dirty_files}" if self.dirty_files else self.hash

    @property
    def name(self) -> str:
        """The whole hash, with `-dirty` where files differed."""
        return f"{self.hash}-dirty" if self.dirty_files else self.hash

    @property
    def shown(self) -> str:
        """The hash as people read it: "3f2a91c-dirty (3 files)"."""
        short = self.hash[:_SHOWN]
        if not self.dirty_files:
            return short
        return f"{short}-dirty ({self.dirty_files} {'file' if self.dirty_files == 1 else 'files'})"


def shown_commit(name: str, dirty_files: int) -> str:
    """Return a commit as people read it, of its name and its number of files as JSON has them; "" of none.

    >>> shown_commit("3f2a91c0d-dirty", 1), shown_commit("3f2a91c", 0)
    ('3f2a91c-dirty (1 file)', '3f2a91c')
    """
    return GitCommit(hash=name.removesuffix("-dirty"), dirty_files=dirty_files).shown


def parse_commit(text: str) -> GitCommit:
    """Return the commit of a text that the registry keeps; any other text is its hash.

    >>> parse_commit("3f2a91c0d-dirty-3").shown, parse_commit("3f2a91c").shown, parse_commit("").shown
    ('3f2a91c-dirty (3 files)', '3f2a91c', '')
    """
    if found := _TEXT.fullmatch(text):
        return GitCommit(hash=found[1], dirty_files=int(found[2]))
    return GitCommit(hash=text)
