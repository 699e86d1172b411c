"""That a repository is valid, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from featurectl.core.kinds import WORDS


def valid_text(counts: Mapping[str, int], files: int) -> str:
    """Return the sentence of a valid repository.

    >>> valid_text({"entities": 4, "models": 1}, 1)
    '5 objects in 1 file are valid: 4 entities, 1 model.'
    """
    if not counts:
        return "featurectl.yaml is valid; nothing is declared yet."
    total = sum(counts.values())
    singular = {words.several: words.one for words in WORDS.values()}
    parts = [f"{n} {kind if n != 1 else singular[kind]}" for kind, n in counts.items()]
    objects = f"{total} object{'' if total == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    return f"{objects} {'is' if total == 1 else 'are'} valid: {', '.join(parts)}."
