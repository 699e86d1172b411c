"""Units of systemd: their sections, words that it reads as they are, and what a service of ours may not do."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Final

from featurectl.pipelines.render.base import Site
from featurectl.pipelines.render.comments import comment
from featurectl.pipelines.render.due import DueFields, due_fields, is_all
from featurectl.pipelines.render.outputs import TMP, is_below

Line = tuple[str, str]  # a key and its value; of a comment the key is "#"
_WEEKDAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_OF_OUTPUTS: Final = (
    "Folders have to be there before it starts. What it writes is for its user alone to read, by UMask."
)
_NEEDS_QUOTES: Final = set(" '\";")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MAY_NOT: Final[tuple[Line, ...]] = (
    ("NoNewPrivileges", "true"),
    ("CapabilityBoundingSet", ""),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "true"),
    ("ProtectClock", "true"),
    ("ProtectControlGroups", "true"),
    ("ProtectHostname", "true"),
    ("ProtectKernelLogs", "true"),
    ("ProtectKernelModules", "true"),
    ("ProtectKernelTunables", "true"),
    ("PrivateDevices", "true"),
    ("PrivateTmp", "true"),
    ("LockPersonality", "true"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
    ("RestrictNamespaces", "true"),
    ("RestrictRealtime", "true"),
    ("RestrictSUIDSGID", "true"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("UMask", "0077"),
)


def unit_text(head: str, *sections: tuple[str, Iterable[Line]]) -> str:
    """Return a unit file: a head of comments, and its sections."""
    parts = [f"[{name}]\n{''.join(_line(line) for line in lines)}" for name, lines in sections]
    return head + "\n" + "\n".join(parts)


def _line(line: Line) -> str:
    key, value = line
    return comment(value) if key == "#" else f"{key}={value}\n"


def run_lines(site: Site, words: Sequence[str]) -> list[Line]:
    """Return how a command line is run: as which user, where, with which variables."""
    program = f"{site.folder}/.venv/bin/{words[0]}"
    variables = [("EnvironmentFile", site.variables_file)] if site.variables else []
    return [
        ("User", "featurectl"),
        ("WorkingDirectory", site.folder),
        *variables,
        ("ExecStart", " ".join(unit_word(word) for word in (program, *words[1:]))),
    ]


def hardening(site: Site, *, devices: bool, ledger: bool = False, outputs: Sequence[str] = ()) -> list[Line]:
    """Return what a service may not do; `devices`: it uses graphics processors.

    `ledger`: it shares the file of `machine_ledger` with other services, which a /tmp of its own would hide. `outputs`
    are the folders beside the repository's that its stages write into.
    """
    beside = _beside(site)
    written = [site.folder, *sorted({*beside, *outputs}), *([TMP] if ledger else [])]
    is_home = any(is_below(folder, "/home", "/root", "/run/user") for folder in written)
    is_tmp = any(is_below(folder, TMP, "/var/tmp") for folder in written)  # noqa: S108 (of a host)
    left_out = {"PrivateDevices": devices, "ProtectHome": is_home, "PrivateTmp": is_tmp}
    lines = [line for line in _MAY_NOT if not left_out.get(line[0])]
    head = f"What it may not do; it writes into {_where(beside, outputs)}"
    head += (
        f", and into {TMP}: there the pipelines of a machine say what they have taken of it, so that no two take the "
        "same memory."
        if ledger
        else " alone."
    )
    paths = [path for path in written if not any(is_below(path, other) for other in written if other != path)]
    notes = [("#", _OF_OUTPUTS)] if outputs else []
    return [("#", head), *lines, *notes, ("ReadWritePaths", " ".join(_path_word(path) for path in paths))]


def _where(beside: Sequence[str], outputs: Sequence[str]) -> str:
    """Return in words which folders of a host a service writes into."""
    stores = ", into those of the stores" if beside else ""
    return f"the repository's folder{stores}{', into those of what its stages write' if outputs else ''}"


def _beside(site: Site) -> list[str]:
    """Return the folders that stores on a disk write into, of those that are not below the repository's.

    >>> stores = "offline .featurectl/offline", "registry sqlite:////data/r.db?timeout=5", "online sqlite:///../x/on.db"
    >>> _beside(Site(project="it", environment="prod", folder="/srv/it", on_disk=stores))
    ['/data', '/srv/x']
    """
    found = set()
    for store in site.on_disk:
        address = store.partition(" ")[2]
        is_file = address.startswith("sqlite:///")  # it has its journal beside it
        plain = address.removeprefix("sqlite:///").partition("?")[0] if is_file else address.removeprefix("file://")
        path = posixpath.normpath(posixpath.join(site.folder, plain))
        path = posixpath.dirname(path) if is_file else path
        found |= set() if f"{path}/".startswith(f"{site.folder}/") else {path}
    return sorted(found)


def _path_word(path: str) -> str:
    """Return a path of a list as systemd reads it as it is; no variable is looked for in one."""
    return unit_word(path).replace("$$", "$")


def unit_word(word: str) -> str:
    r"""Return a word of a command line as systemd reads it as it is.

    >>> unit_word("--out"), unit_word("a b"), unit_word("100%"), unit_word("$HOME\\x"), unit_word("a\n")
    ('--out', '"a b"', '100%%', '$$HOME\\\\x', 'a\\x0a')
    """
    plain = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    plain = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", plain)
    if word and not _NEEDS_QUOTES & set(word):
        return plain
    return '"' + plain.replace('"', '\\"') + '"'


def calendar_lines(schedule: str) -> list[str]:
    """Return a schedule as calendar events of systemd, which are due when one of them is.

    Where cron takes either of two days, an event of systemd takes both.

    >>> calendar_lines("30 4 13 * FRI")
    ['*-*-13 04:30:00 UTC', 'Fri *-*-* 04:30:00 UTC']
    >>> calendar_lines("*/5 8-18 * * 1-5")
    ['Mon..Fri *-*-* 08..18:00/5:00 UTC']
    """
    due = due_fields(schedule)
    hours, minutes = _values(due.hours, 0, 24), _values(due.minutes, 0, 60)
    time, months = f"{hours}:{minutes}:00 UTC", _values(due.months, 1, 12)
    date, weekday = f"*-{months}-{_values(due.days, 1, 31)}", _weekdays(due)
    if due.any_day:
        return [f"*-{months}-* {time}"]
    if due.is_either:
        return [f"{date} {time}", f"{weekday}*-{months}-* {time}"]
    return [f"{weekday}{date} {time}"]


def _weekdays(due: DueFields) -> str:
    if is_all(due.weekdays, 7):
        return ""
    from_monday = sorted((day - 1) % 7 for day in due.weekdays)
    spans = _spans(from_monday)
    names = [_WEEKDAYS[(day + 1) % 7] for day in range(7)]
    return ",".join(names[low] if low == high else f"{names[low]}..{names[high]}" for low, high in spans) + " "


def _values(values: Sequence[int], first: int, size: int) -> str:
    """Return the values of a field: `*`, a step, or a list of numbers and spans."""
    if is_all(values, size):
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 1
    if step > 1 and tuple(values) == tuple(range(values[0], first + size, step)):
        return f"{values[0]:02}/{step}"
    return ",".join(f"{low:02}" if low == high else f"{low:02}..{high:02}" for low, high in _spans(values))


def _spans(values: Sequence[int]) -> list[tuple[int, int]]:
    """Return values, in order, as spans of three or more that follow each other, and single ones as such."""
    spans: list[tuple[int, int]] = []
    for value in values:
        if spans and spans[-1][1] == value - 1:
            spans[-1] = (spans[-1][0], value)
        else:
            spans.append((value, value))
    found = []
    for low, high in spans:
        found += [(low, high)] if high - low > 1 else [(value, value) for value in sorted({low, high})]
    return found
