"""What the query of a check may be: it looks at the rows that were read, and at nothing else."""

from __future__ import annotations

import re
from typing import Final

_COMMENT: Final = r"--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/"
_BEGIN: Final = re.compile(rf"(?:[\s(]|{_COMMENT})*(?:select|with|from|values)\b", re.IGNORECASE)
_READS: Final = re.compile(r"(?:read|scan)_(?:csv|parquet|ipc|n?d?json|delta|iceberg|database|excel)\b", re.IGNORECASE)


def query_problem(text: str) -> str:
    """Return what keeps a query from being one of a check; "": nothing does.

    Functions that read files or addresses are looked for anywhere in the text, names of columns included: what lies in
    quotes or comments is not distinguished, as the engine's own parser might do it otherwise.

    >>> query_problem("select * from rows where amount < 0")
    ''
    >>> query_problem("select * from read_csv('/etc/hosts')")
    'it says read_csv, if only in a name or comment: a check looks at the rows that were read alone'
    >>> query_problem("drop table rows")
    'it is no SELECT'
    """
    found = _READS.search(text)
    if found is not None:
        return f"it says {found[0]}, if only in a name or comment: a check looks at the rows that were read alone"
    return "" if _BEGIN.match(text) else "it is no SELECT"
