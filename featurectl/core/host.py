"""The name of this machine, as it may stand in the name of a file."""

from __future__ import annotations

import socket
from typing import Final

HOST: Final = "".join(c if c.isalnum() else "_" for c in socket.gethostname())
