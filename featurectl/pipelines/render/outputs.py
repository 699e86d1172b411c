"""Files that stages write, by the options that name them, and the folders of a host that a service writes into."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from featurectl.language.commands.read import ReadCommand
from featurectl.pipelines.render.request import Site

WRITTEN: Final = ("--out", "--html", "--grafana", "--textfile", "--write-allow")  # options that name what is written
TMP: Final = "/tmp"  # noqa: S108 (that each host and pod has)
_OF_KERNEL: Final = ("/dev", "/proc", "/sys")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutput:
    """What a stage writes on a disk: in words, and the folder of a host that has to be writable ("": always is).

    In a pod it can be written where it `is_on_volume`: one that every pod has or, with `needs_volume`, one that
    somebody adds by its path.
    """

    shown: str
    folder: str
    is_on_volume: bool
    needs_volume: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFolders:
    """The folders that a service of systemd writes into: all `paths`, those of stores beside its own, of outputs.

    It may not be kept from homes, or be given a /tmp of its own, where it writes there.
    """

    paths: tuple[str, ...]
    stores: tuple[str, ...]
    outputs: tuple[str, ...]
    is_home: bool
    is_tmp: bool


def outputs_of(site: Site, stage: str, command: ReadCommand) -> Iterator[StageOutput]:
    """Yield what a stage writes on a disk."""
    for flag, value in command.options:
        path = _path_of(value) if flag in WRITTEN else ""
        if not path:
            continue
        is_mounted = path.startswith("/") and not is_below(path, site.folder, TMP, *_OF_KERNEL)
        folder = _folder_of(site, command.name, path)
        yield StageOutput(
            shown=f"{stage} ({flag} {value})",
            folder="" if is_below(folder, site.folder, TMP, *_OF_KERNEL) else folder,
            is_on_volume=path.removeprefix(f"{site.folder}/").startswith(("/", ".featurectl/")),
            needs_volume=is_mounted,
        )


def service_folders(site: Site, outputs: Iterable[StageOutput] = (), *, ledger: bool = False) -> ServiceFolders:
    """Return where a service writes; `ledger`: also into the file of `machine_ledger`, which it shares with others."""
    stores = _stores_beside(site)
    of_stages = sorted({output.folder for output in outputs} - {"", "/"})
    written = [site.folder, *sorted({*stores, *of_stages}), *([TMP] if ledger else [])]
    return ServiceFolders(
        paths=tuple(path for path in written if not any(is_below(path, other) for other in written if other != path)),
        stores=tuple(stores),
        outputs=tuple(of_stages),
        is_home=any(is_below(folder, "/home", "/root", "/run/user") for folder in written),
        is_tmp=any(is_below(folder, TMP, "/var/tmp") for folder in written),  # noqa: S108 (of a host)
    )


def is_below(path: str, *folders: str) -> bool:
    """Return whether a path is one of some folders, or lies in one.

    >>> is_below("/data/a", "/data"), is_below("/data", "/data"), is_below("/database", "/data", "/srv")
    (True, True, False)
    """
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _path_of(value: str) -> str:
    """Return the path on a disk that an output is; "": it is none.

    >>> [_path_of(text) for text in ("rows/", "sqlite:///s.db?table=t", "topic:scores", "bigquery://a/b/c")]
    ['rows/', 's.db', '', '']
    """
    if value.startswith("sqlite:///"):
        return value.removeprefix("sqlite:///").partition("?")[0]
    return "" if value.startswith("topic:") or "://" in value else value


def _folder_of(site: Site, command: str, path: str) -> str:
    """Return the folder that a command writes into for a path: what is written has another name until it is whole.

    Scores go into a folder that is named as one, by a / at its end or no ending of a file.
    """
    whole = posixpath.normpath(posixpath.join(site.folder, path))
    is_folder = command == "score" and (path.endswith("/") or not posixpath.splitext(path)[1])
    return whole if is_folder else posixpath.dirname(whole)


def _stores_beside(site: Site) -> list[str]:
    """Return the folders that stores on a disk write into, of those that are not below the repository's.

    >>> stores = "offline .featurectl/offline", "registry sqlite:////data/r.db?timeout=5", "online sqlite:///../x/on.db"
    >>> _stores_beside(Site(project="it", environment="prod", folder="/srv/it", on_disk=stores))
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
