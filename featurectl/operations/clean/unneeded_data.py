"""What an environment holds that nothing needs any more: found with its size, and removed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import StoreError, UsageError
from featurectl.core.temporary_files import is_running
from featurectl.core.units import counted, moved_by
from featurectl.language.definitions.json_form import load_untyped_view, load_view
from featurectl.language.syntax.own_files import why_no_output
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFile, LooseFiles
from featurectl.online.client.pushed_versions import needed_versions
from featurectl.online.row_places import count_if_whole, online_view
from featurectl.operations.clean.shared_places import has_other_projects, is_shared
from featurectl.operations.prediction_log.compaction import LogDay, compact_some, read_day
from featurectl.operations.prediction_log.place import predictions_folder
from featurectl.operations.views import view_table
from featurectl.registry.applied import registered_view, served_views
from featurectl.registry.rows import model_document
from featurectl.workspace.offline_folder import has_offline
from featurectl.workspace.plain_registry import list_pins

if TYPE_CHECKING:
    from featurectl.registry.base import Pin
    from featurectl.registry.state import ModelVersion, ObjectVersion, State
    from featurectl.workspace.workspace import Workspace

SAFE_AGE: Final = timedelta(days=7)  # nothing that was written since is taken for a leftover
_CANARY: Final = timedelta(days=1)  # before it began: who judges it looks an hour back, as clocks differ
_PART: Final = ".part"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SPILL: Final = re.compile(r"spill-(\d+)-.*")
_UNREADABLE: Final = re.compile(r"(.*/_delta_log_unreadable_[0-9a-f]+)/.*")
_DAY: Final = re.compile(r"(.*/(\d{4}-\d\d-\d\d))/[^/]+")
_LOG_DAY: Final = re.compile(r"(?P<model>[^/]+)/v\d+/(?P<day>\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something that nothing needs: of a `kind`, its bytes and entities of rows (None: not known), and how it goes.

    `remove` returns False where it stays, for something has come to need it meanwhile.
    """

    kind: str
    name: str
    size: int | None
    remove: Callable[[], object]
    entities: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFiles:
    """Files of the prediction log, of one day, that can be made into fewer: their bytes, and how that is done."""

    name: str
    files: int
    size: int
    compact: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """Where is looked, as of when; what was written since `age` before stays, and predictions since `predictions`.

    Without `predictions` those stay that `prediction_log.keep` says. With `models` or `events`, files of models of no
    version in the registry, or of streams not applied, are leftovers. Tables of `unpinned` stay for no manifest.
    """

    workspace: Workspace
    clock: datetime
    age: timedelta = SAFE_AGE
    predictions: timedelta | None = None
    models: bool = False
    events: bool = False
    unpinned: frozenset[tuple[str, int]] = frozenset()
    files: LooseFiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", open_loose(self.workspace.offline_location()))

    def pins(self) -> list[Pin]:
        """Return the table versions that stay for manifests of training sets."""
        return [pin for pin in list_pins(self.workspace) if (pin.view, pin.version) not in self.unpinned]

    def is_old(self, files: Sequence[LooseFile]) -> bool:
        """Return whether none of some files was written lately."""
        return all(file.written < self.clock - self.age for file in files)

    def first_day(self) -> date:
        """Return the first day whose predictions stay; all do where the environment keeps no log now."""
        environment = self.workspace.environment
        kept = self.predictions
        if kept is None and environment.prediction_sample is not None:
            kept = timedelta(microseconds=environment.prediction_keep_us)
        return date.min if kept is None else moved_by(self.clock, -kept).date()


def find_leftovers(cleaning: Cleaning) -> list[Leftover]:
    """Return what nothing needs: no view that is served, no pin, no model version, no process that runs.

    Raises:
        StoreError: a store can't be read.
        CheckFailedError: nothing is applied, so that nothing is known to be needed.
    """
    state = cleaning.workspace.applied_state()
    retired, there = _retired(cleaning.workspace, state), has_offline(cleaning.workspace)
    ours = there and not is_shared(cleaning.workspace)
    return [
        *(_tables(cleaning, retired) if ours else ()),
        *_rows(cleaning, retired),
        *(_data_files(cleaning, state) if ours else ()),
        *(_loose_files(cleaning) if there else ()),
        *(_model_files(cleaning, state) if ours and cleaning.models else ()),
        *(_predictions(cleaning) if there else ()),
        *(_replaced(cleaning, state) if there else ()),
        *_local(cleaning),
    ]


def choose_pinned(workspace: Workspace, label: str) -> tuple[str, int]:
    """Return the view version of a label such as "spend@2".

    Raises:
        UsageError: it is none that is registered.
    """
    name, _, number = label.partition("@")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"--unpin {label}: which version?", hint=f"--unpin {name}@1")
    item = registered_view(workspace.applied_state(), name, int(number[:9]))
    return item.name, item.version


def _retired(workspace: Workspace, state: State) -> list[ObjectVersion]:
    """Return the view versions that the registry knows and nothing reads any more."""
    needed = needed_versions(workspace.online(), workspace.stream_reader, state, workspace.environment.name)
    return [item for item in state.objects if item.kind == "feature_view" and item not in needed]


def _tables(cleaning: Cleaning, retired: Sequence[ObjectVersion]) -> Iterator[Leftover]:
    pinned = {(pin.view, pin.version) for pin in cleaning.pins()}
    for item in retired:
        folder = f"{cleaning.workspace.project}/{item.name}/v{item.version}"
        files = cleaning.files.dated(folder)
        if files and (item.name, item.version) not in pinned and cleaning.is_old(files):
            yield Leftover(
                kind="table",
                name=f"{item.name}@{item.version}",
                size=sum(file.size for file in files),
                remove=partial(_if_retired, cleaning, item, partial(cleaning.files.remove, folder)),
            )


def _rows(cleaning: Cleaning, retired: Sequence[ObjectVersion]) -> Iterator[Leftover]:
    workspace = cleaning.workspace
    store, env = workspace.online(), workspace.environment.name
    there = store.prepared(workspace.project, env)
    for item in retired:
        if (item.name, item.version) not in there:
            continue
        view = online_view(load_untyped_view(item.definition), item.version, workspace.project, env)
        yield Leftover(
            kind="online rows",
            name=f"{item.name}@{item.version}",
            size=None,
            entities=count_if_whole(store, view),
            remove=partial(_if_retired, cleaning, item, partial(store.remove, view)),
        )


def _if_retired(cleaning: Cleaning, item: ObjectVersion, remove: Callable[[], object]) -> bool:
    """Remove something of a view version unless it was applied again meanwhile."""
    workspace = cleaning.workspace
    with workspace.registry().lock(workspace.project, "featurectl clean", timeout_s=10):
        if item not in _retired(workspace, workspace.state()):
            return False
        remove()
        return True


def _data_files(cleaning: Cleaning, state: State) -> Iterator[Leftover]:
    """Files of tables that no version needs that may be asked for, and those of runs that never came to a commit."""
    workspace, pins = cleaning.workspace, cleaning.pins()
    for item in served_views(state):
        label, folder = f"{item.name}@{item.version}", f"{workspace.project}/{item.name}/v{item.version}"
        kept = {m.table_versions[label] for m in _in_use(state) if label in m.table_versions}
        kept |= {pin.table_version for pin in pins if f"{pin.view}@{pin.version}" == label}
        table = view_table(workspace.offline(), load_view(item.definition), item.version)
        unneeded = {path for path in table.unneeded(kept) if not path.endswith(_PART)}  # those are listed below
        if unneeded:
            sizes = [file.size for file in cleaning.files.dated(folder) if file.path[len(folder) + 1 :] in unneeded]
            name = f"{label}: {len(unneeded):,} of no version that is kept"
            yield Leftover(kind="data files", name=name, size=sum(sizes), remove=partial(table.vacuum, kept))


def _loose_files(cleaning: Cleaning) -> Iterator[Leftover]:
    """Files that were being written when a run was killed, and logs that a rebuild has set aside."""
    files = cleaning.files.dated(cleaning.workspace.project)
    aside: dict[str, list[LooseFile]] = {}
    for file in files:
        if found := _UNREADABLE.fullmatch(file.path):
            aside.setdefault(found[1], []).append(file)
        elif file.path.endswith(_PART) and cleaning.is_old([file]):
            yield _file("unfinished file", file, cleaning)
    for folder, some in aside.items():
        if cleaning.is_old(some):
            yield _folder("unreadable log", folder, some, cleaning)


def _file(kind: str, file: LooseFile, cleaning: Cleaning) -> Leftover:
    return Leftover(kind=kind, name=file.path, size=file.size, remove=partial(cleaning.files.remove_files, [file.path]))


def _folder(kind: str, folder: str, files: Sequence[LooseFile], cleaning: Cleaning) -> Leftover:
    size = sum(file.size for file in files)
    return Leftover(kind=kind, name=folder, size=size, remove=partial(cleaning.files.remove, folder))


def _model_files(cleaning: Cleaning, state: State) -> Iterator[Leftover]:
    """Files of models that no version in the registry has, where no other project may have them.

    Models of all projects of a place lie side by side, named by their bytes.
    """
    workspace = cleaning.workspace
    if has_other_projects(workspace, cleaning.files):
        return
    known = ModelDigests(cleaning, state)
    for file in cleaning.files.dated("models"):
        digest = _DIGEST.search(file.path)
        if digest is not None and digest[0] not in known.digests and cleaning.is_old([file]):
            remove = partial(_if_unknown, cleaning, known, file.path)
            yield Leftover(kind="model file", name=file.path, size=file.size, remove=remove)


class ModelDigests:
    """The digests of all files that model versions have; what retired versions alone have is none."""

    def __init__(self, cleaning: Cleaning, state: State) -> None:
        self._cleaning, self._serial = cleaning, state.serial
        self.digests = _digests(cleaning, state)

    def refresh(self) -> None:
        """Read those of the registry as it is now."""
        state = self._cleaning.workspace.applied_state()
        if state.serial != self._serial:
            self._serial, self.digests = state.serial, _digests(self._cleaning, state)


def _digests(cleaning: Cleaning, state: State) -> set[str]:
    known = {digest for version in _in_use(state) for digest in _DIGEST.findall(model_document(version))}
    for version in _in_use(state):  # charts are named in their card alone
        card = cleaning.files.read(version.card) if version.card else None
        known |= set(_DIGEST.findall((card or b"").decode(errors="replace")))
    return known


def _if_unknown(cleaning: Cleaning, known: ModelDigests, path: str) -> bool:
    """Remove a file of models unless it was registered, or written for a version to come, since it was found."""
    known.refresh()
    written, digest = cleaning.files.written(path), _DIGEST.search(path)
    if written is None or written >= cleaning.clock - cleaning.age or digest is None or digest[0] in known.digests:
        return False
    cleaning.files.remove_files([path])
    return True


def _in_use(state: State) -> list[ModelVersion]:
    """Return the versions that may be asked again, those of a model that was removed among them."""
    return [version for version in state.model_versions if version.status != "retired"]


def _predictions(cleaning: Cleaning) -> Iterator[Leftover]:
    """Days of the prediction log that are over for so long."""
    workspace = cleaning.workspace
    folder = predictions_folder(workspace).removeprefix(workspace.offline_location().rstrip("/")).strip("/")
    first, days = cleaning.first_day(), dict[str, list[LooseFile]]()
    for file in cleaning.files.dated(folder):
        found = _DAY.fullmatch(file.path)
        if found and date.fromisoformat(found[2]) < first:
            days.setdefault(found[1], []).append(file)
    for day, files in sorted(days.items()):
        yield _folder("predictions", day, files, cleaning)


def find_small_files(cleaning: Cleaning) -> list[SmallFiles]:
    """Return the days of the prediction log whose small files can be made into fewer.

    Raises:
        As `find_leftovers`.
    """
    workspace = cleaning.workspace
    state, there = workspace.applied_state(), has_offline(workspace)
    return [
        SmallFiles(
            name=day.folder,
            files=len(day.small),
            size=sum(file.size for file in day.small),
            compact=partial(_compact, cleaning, day.folder),
        )
        for day in (_log_days(cleaning, state) if there else ())
        if day.small
    ]


def _replaced(cleaning: Cleaning, state: State) -> Iterator[Leftover]:
    """Files of the prediction log whose rows stand in larger ones, since long enough for every reader."""
    files = open_loose(predictions_folder(cleaning.workspace))
    for day in _log_days(cleaning, state):
        if day.replaced:
            yield Leftover(
                kind="replaced predictions",
                name=f"{day.folder}: {counted(len(day.replaced), 'file')} that larger ones stand for",
                size=sum(file.size for file in day.replaced),
                remove=partial(files.remove_files, [file.path for file in day.replaced]),
            )


def _log_days(cleaning: Cleaning, state: State) -> Iterator[LogDay]:
    """Yield the days of the log that stay, are over for long enough, and that no running canary is judged by."""
    files, first = open_loose(predictions_folder(cleaning.workspace)), cleaning.first_day()
    for model in files.folders(""):
        last = _compacted_before(cleaning, state, model)
        for version in files.folders(model):
            for day in files.folders(f"{model}/{version}"):
                found = _LOG_DAY.fullmatch(f"{model}/{version}/{day}")
                if found and first <= date.fromisoformat(day) < last:
                    yield read_day(files, found[0], cleaning.clock)


def _compacted_before(cleaning: Cleaning, state: State, model: str) -> date:
    """Return the day up to which a model's log may be compacted: a canary's files are counted once, by their names."""
    here = [run for run in state.canaries if run.environment == cleaning.workspace.environment.name]
    begun = [run.started_at for run in here if run.model == model and run.state == "running"]
    return min([moved_by(cleaning.clock, -cleaning.age), *(moved_by(at, -_CANARY) for at in begun)]).date()


def _compact(cleaning: Cleaning, folder: str) -> None:
    """Make the small files of a day into fewer; the project's lock is held while a large file is written."""
    workspace, going = cleaning.workspace, 1
    files = open_loose(predictions_folder(workspace))
    alone = partial(workspace.registry().lock, workspace.project, "featurectl clean", timeout_s=10)
    while going:
        going = compact_some(files, read_day(files, folder, cleaning.clock), alone)


def _local(cleaning: Cleaning) -> Iterator[Leftover]:
    """Files beside the repository: rows that a killed run has spilled, and what was written of crashes."""
    workspace = cleaning.workspace
    for path in sorted(workspace.spill_folder().glob("spill-*")):
        found = _SPILL.fullmatch(path.name)
        if found and not is_running(int(found[1])):
            remove = partial(_remove_local, path, shutil.rmtree)
            yield Leftover(kind="spilled rows", name=_below(workspace.root, path), size=_size(path), remove=remove)
    for path in sorted((workspace.root / ".featurectl").glob("crash-*.log")):
        old = datetime.fromtimestamp(path.stat().st_mtime, UTC) < cleaning.clock - cleaning.age
        if old and not why_no_output(path):  # none of ours is there
            remove = partial(_remove_local, path, Path.unlink)
            yield Leftover(kind="crash log", name=_below(workspace.root, path), size=_size(path), remove=remove)


def _remove_local(path: Path, remove: Callable[[Path], object]) -> None:
    try:
        remove(path)
    except FileNotFoundError:
        return  # somebody else has removed it
    except OSError as error:
        raise StoreError(f"{path} can't be removed: {error.strerror}") from error


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
