"""Programs of Debian that tests start: its packages, taken apart below `.guests`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.guest_environment import GUESTS, ROOT

_LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True, slots=True)
class DebianPrograms:
    """Packages of Debian in a folder of their own."""

    folder: Path

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of its programs: this process's, and where their libraries are."""
        return {**os.environ, "LD_LIBRARY_PATH": str(self.folder / _LIBRARIES)}


def debian_programs(name: str, *packages: str) -> DebianPrograms:
    """Return programs of some packages, which are fetched once, with all that the machine may lack."""
    folder, program = GUESTS / name, ROOT / ".ci" / "debian"
    plain = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    done = subprocess.run([program, folder, *packages], env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{program}: {done.stdout}\n{done.stderr}"
    return DebianPrograms(folder)
