"""What is applied now of streams, for workers that follow it, and versions that stay until newer ones can be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.language.definitions.json_form import load_view
from featurectl.language.definitions.view import FeatureView
from featurectl.language.same_events import reads_alike
from featurectl.online.client.stream_asof import stream_name
from featurectl.online.stream_state.base import StreamSource
from featurectl.registry.state import ObjectVersion, State
from featurectl.streaming.session.applied_streams import AppliedStream, applied_streams
from featurectl.workspace.workspace import Workspace

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
KEPT_S: Final = 10.0  # readers that know an older version have so long to hear of the newest


class FollowedStreams:
    """Reads the streams that are applied again and again, from any thread; definitions are read when they changed."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace, self._clock = workspace, clock
        self._one_at_once = threading.Lock()
        self._state: State | None = None  # as it was read last, and the streams that it has
        self._streams: Mapping[str, AppliedStream] = {}
        self._awaited: dict[str, float | None] = {}  # newest versions that could not be read, and since when they can

    def read(self) -> Mapping[str, AppliedStream]:
        """Return the streams that are applied now.

        Raises:
            StoreError: FC601, the registry can't be read, or knows nothing of the project any more. While versions of
                views are followed by newer ones, the online store can't be used.
        """
        with self._one_at_once:
            state = self._workspace.state()
            if state != self._state:
                if not state.objects:
                    raise StoreError(
                        f"the registry knows nothing of project {self._workspace.project}",
                        code="FC601",
                        hint="featurectl apply",
                    )
                self._streams, self._state = applied_streams(state), state
            return {name: self._with_outgoing(state, stream) for name, stream in self._streams.items()}

    def _with_outgoing(self, state: State, stream: AppliedStream) -> AppliedStream:
        older = _older_versions(state, stream)
        now_s = self._clock()
        waiting = {newest: of for newest, of in older.items() if self._is_awaited(newest, now_s)}
        if not waiting:
            return stream
        place = StreamSource(
            project=self._workspace.project, env=self._workspace.environment.name, source=stream.source.name
        )  # fmt: skip
        with closing(self._workspace.stream_state()) as store, closing(store.connect(place)) as connection:
            register = connection.register.read_state()
        outgoing = {}
        for newest, versions in waiting.items():
            if register.live(newest) is None:
                self._awaited[newest] = None
            elif newest not in self._awaited:  # it could be read when it was looked at first
                self._awaited[newest] = float("-inf")
                continue
            elif self._awaited[newest] is None:
                self._awaited[newest] = now_s
            label = next((of for of in versions if register.live(of) is not None), None)
            if label is not None:
                outgoing[label] = versions[label]
        return replace(stream, outgoing=outgoing) if outgoing else stream

    def _is_awaited(self, newest: str, now_s: float) -> bool:
        since_s = self._awaited.get(newest)
        return since_s is None or now_s - since_s < KEPT_S


def _older_versions(state: State, stream: AppliedStream) -> Mapping[str, Mapping[str, FeatureView]]:
    """Return the newest versions of views of a stream, and the older ones of each that its events fit, newest first."""
    found: dict[str, Mapping[str, FeatureView]] = {}
    for newest in state.objects:
        label = f"{newest.name}@{newest.version}"
        if newest.kind == "feature_view" and newest.current and label in stream.views:
            older = [of for of in state.objects if of.kind == newest.kind and of.name == newest.name and not of.current]
            found[label] = _fitting(older, stream)
    return {label: older for label, older in found.items() if older}


def _fitting(older: list[ObjectVersion], stream: AppliedStream) -> Mapping[str, FeatureView]:
    found = {}
    newest_first = sorted(older, key=lambda of: (of.applied_at or _NEVER, of.version), reverse=True)
    for item in newest_first:
        label = f"{item.name}@{item.version}"
        if stream_name(item) != stream.source.name or label in stream.views:
            continue
        view = load_view(item.definition)
        if view.online and reads_alike(view.source, stream.source):
            found[label] = view
    return found
