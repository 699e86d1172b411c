"""What the contract says in the SQL of most databases, in that of BigQuery."""

from __future__ import annotations

import re

_REWRITTEN = {
    r"with recursive n\(i\) as \(select 1 union all select i \+ 1 from n where i < (\d+)\)":
        r"with n as (select i from unnest(generate_array(1, \1)) as i)",
    r"('[^']*') \|\| (\w+)": r"concat(\1, cast(\2 as string))",
    r"\btext\b": "string",
    r"\bvarchar\b": "string",
    r'"(\w+)"': r"`\1`",
    r"(\d+) % (\d+)": r"mod(\1, \2)",
}  # fmt: skip


def googlesql(text: str) -> str:
    """Return a statement of the contract as BigQuery understands it.

    >>> googlesql("create table t (a int, b text)")
    'create table t (a int, b string)'
    """
    for pattern, written in _REWRITTEN.items():
        text = re.sub(pattern, written, text)
    return text
