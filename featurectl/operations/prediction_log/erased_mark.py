"""Up to which erasure the prediction log of an environment is clean, as a small file in it says.

One that was restored from before an erasure has the mark of then, or none.
"""

from __future__ import annotations

import json
from typing import Final

from featurectl.offline.plain_files import LooseFiles

_MARK: Final = "erased.json"


def read_mark(files: LooseFiles) -> int:
    """Return the number of the newest erasure of which nothing is in a log, 0 where that is not known.

    Raises:
        StoreError: FC603, the log can't be read.
    """
    content = files.read(_MARK)
    try:
        return int(json.loads(content or b"{}").get("erased", 0))
    except (ValueError, AttributeError, TypeError):  # cut by a full disk: everything is looked at again
        return 0


def write_mark(files: LooseFiles, number: int) -> None:
    """Say that a log is clean of all erasures up to a number.

    Raises:
        StoreError: FC603, the log can't be written.
    """
    files.write(_MARK, json.dumps({"erased": number}).encode())
