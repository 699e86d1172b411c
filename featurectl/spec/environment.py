"""`${NAME}` and `${NAME:-default}` in texts; filled only when a connection is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping

from featurectl.errors import UsageError

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>[^}]*))?\}")


def has_variable(text: str) -> bool:
    """Return whether an environment variable stands in a text.

    >>> has_variable("redis://${HOST}"), has_variable("costs $5")
    (True, False)
    """
    return "${" in text


def bad_variable(text: str) -> str:
    """Return the first `${` of a text that is no variable, with what follows it, or an empty text.

    >>> bad_variable("${A}/${B:-c}/${1}")
    '${1}'
    """
    rest = _VARIABLE.sub("", text)
    start = rest.find("${")
    return rest[start : start + 20] if start >= 0 else ""


def expand(text: str, environ: Mapping[str, str], place: str) -> str:
    """Return the text with its variables filled.

    Raises:
        UsageError: a variable is not set and has no default; `place` says where it is asked for.

    >>> expand("redis://${HOST:-localhost}/0", {}, "environment dev, online")
    'redis://localhost/0'
    """

    def value(match: re.Match[str]) -> str:
        found = environ.get(match["name"], match["default"])
        if found is None:
            raise UsageError(
                f"the environment variable {match['name']} is not set ({place})",
                hint=f"export {match['name']}=..., or write a default: ${{{match['name']}:-...}}",
            )
        return found

    return _VARIABLE.sub(value, text)
