"""Parts of Prometheus's language: selectors of series, texts and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurectl.core.units import SECOND_US


def selector(equal: Mapping[str, str], **among: Sequence[str] | None) -> str:
    """Return the labels that series must have: some equal to a text, some one of several (None: any).

    >>> selector({"kind": "view"}, name=["a", "b"])
    '{kind="view", name=~"a|b"}'
    >>> selector({}, name=None)
    ''
    """
    parts = [f"{name}={_quoted(value)}" for name, value in equal.items()]
    for name, values in among.items():
        if values is not None:
            parts.append(f"{name}=~{_quoted('|'.join(values))}")
    return "{" + ", ".join(parts) + "}" if parts else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def seconds(length_us: float) -> str:
    """Return a length of time as a number of seconds.

    >>> seconds(1_500_000)
    '1.5'
    """
    return f"{length_us / SECOND_US:.15g}"


def literal(text: str) -> str:
    """Return a text of which Prometheus, that fills templates in labels, makes this text again.

    >>> literal("{{ x")
    '{{ "{{" }} x'
    """
    return text.replace("{{", '{{ "{{" }}')
