"""Writes the record of a run beside it: a store that hangs holds no stage up."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Self

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import format_iso
from featurectl.offline.pipeline_records import SEEN_S, PipelineRecord, PipelineRecords, StageRecord
from featurectl.pipelines.reports import RunReport

_END_S: Final = 30.0
_AGAIN_S: Final = 1.0


class RecordWriter:
    """Writes the newest record in a thread, and again each half minute; those that it does not come to are left out."""

    def __init__(self, records: PipelineRecords, record: PipelineRecord, report: RunReport) -> None:
        self._records, self._record, self._report = records, record, report
        self._changed = threading.Condition()
        self._newest: PipelineRecord | None = None
        self._written: PipelineRecord | None = None
        self._over = self._failed = False
        self._thread = threading.Thread(target=self._write_all, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(_END_S + _AGAIN_S)
        if self._thread.is_alive():
            self._report.note(f"warning: the record of the run was not written within {_END_S:.0f} s")

    def keep(self, stages: Mapping[str, StageRecord]) -> None:
        """Have a record with these stages written soon."""
        self.close(replace(self._record, stages=tuple(stages.values())))

    def close(self, record: PipelineRecord) -> None:
        """Have a record written in place of all before."""
        with self._changed:
            self._newest = record
            self._changed.notify()

    def _write_all(self) -> None:
        end = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._over, SEEN_S)
                record, self._newest = self._newest or self._written, None
                if self._over:
                    end = end or time.monotonic() + _END_S
            is_kept = record is None or self._write(record)
            if end is not None and (is_kept or time.monotonic() > end):
                if not is_kept:
                    self._report.note("warning: the end of the run is not on record")
                return
            if not is_kept:
                time.sleep(_AGAIN_S)

    def _write(self, record: PipelineRecord) -> bool:
        self._written = record
        try:
            self._records.write(replace(record, seen=format_iso(datetime.now(UTC))))
        except Exception as error:  # noqa: BLE001 (whatever a store meets: the run goes on)
            if not self._failed:
                said = error.message if isinstance(error, FeaturectlError) else type(error).__name__
                self._report.note(f"warning: the record of the run can't be written: {said}")
            self._failed = True
            return False
        return True
