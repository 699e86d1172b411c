"""Writes Iceberg tables to an Azure for tests: pyiceberg's own way needs adlfs."""

from __future__ import annotations

from io import BytesIO

import obstore
from pyiceberg.io import InputFile, OutputFile, OutputStream

from featurectl.sources.iceberg.azure_files import AzureFiles


class AzureWriter(AzureFiles):
    """The files of a table, to be read and written."""

    def new_output(self, location: str) -> OutputFile:
        return _Written(location, self)


class _Written(OutputFile):
    def __init__(self, location: str, files: AzureWriter) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        return len(self.to_input_file())

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return self._files.new_input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: FBT001, FBT002  # as pyiceberg calls it
        del overwrite
        scheme, _, rest = self.location.partition("://")
        netloc, _, path = rest.partition("/")
        return _Stream(self._files, f"{scheme}://{netloc}", path)


class _Stream(BytesIO):
    def __init__(self, files: AzureWriter, container: str, path: str) -> None:
        super().__init__()
        self._place = files, container, path

    def close(self) -> None:
        if not self.closed:
            files, container, path = self._place
            obstore.put(files.opened(container), path, self.getvalue())
        super().close()
