"""Writes the record of a run beside it: a store that hangs holds no stage up."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Self

from featurectl.core.errors import FeaturectlError
from featurectl.offline.pipeline_records import PipelineRecord, PipelineRecords, StageRecord
from featurectl.pipelines.reports import RunReport

_END_S: Final = 30.0


class RecordWriter:
    """Writes the newest record in a thread; those that it does not come to write are left out."""

    def __init__(self, records: PipelineRecords, record: PipelineRecord, report: RunReport) -> None:
        self._records, self._record, self._report = records, record, report
        self._changed = threading.Condition()
        self._newest: PipelineRecord | None = None
        self._over = self._failed = False
        self._thread = threading.Thread(target=self._write_all, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(_END_S)
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
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._over)
                record, self._newest = self._newest, None
            if record is None:
                return
            try:
                self._records.write(record)
            except FeaturectlError as error:
                if not self._failed:
                    self._report.note(f"warning: the record of the run can't be written: {error.message}")
                self._failed = True
