"""What runs for long, as a program that somebody starts: its words, its port, how long it takes to end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from featurectl.core.units import parse_duration
from featurectl.language.commands.read import ReadCommand, read_command
from featurectl.language.definitions.pipelines import Deployment
from featurectl.pipelines.render.context import seconds_of, split_at_end_of_options
from featurectl.pipelines.render.request import PROGRAM, Site, Variable

_PORTS: Final = {"serve": 8000, "stream run": 9465, "monitor export": 9464}
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ANSWERING_S: Final = 15  # of a server, behind its --drain: 10 for what is under way, and the prediction log
_ENDING_S: Final = {"stream run": 20, "monitor run": 30, "monitor export": 10}  # a worker needs ten at most
_DRAIN_S: Final = 5  # of a server that is given no --drain


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """A deployment as it is started, alone in a container or beside others on a host.

    `port` is None where nothing answers; `has_health` where it answers /health and /ready. It ends within `ending_s`
    seconds after SIGTERM. `variables` are what it reads beside those of the environment.
    """

    deployment: Deployment
    command: ReadCommand
    port: int | None
    ending_s: int
    variables: tuple[Variable, ...] = ()

    @property
    def has_health(self) -> bool:
        """Whether /health and /ready are answered."""
        return self.port is not None and self.command.name != "monitor export"

    @property
    def component(self) -> str:
        """What it runs, as a name of Kubernetes: `stream-run`."""
        return self.command.name.replace(" ", "-")

    def unreachable(self, inside: str) -> tuple[str, ...]:
        """Return that it answers nobody outside of its container; nothing where it answers, or none asks it."""
        host = _value(self.command, "--host")
        if self.port is None or host not in _LOOPBACK:
            return ()
        name = self.deployment.name
        return (f"{name} answers at {host} alone, which is nobody outside of {inside}: leave --host out",)

    def words(self, site: Site, *, in_container: bool = False) -> list[str]:
        """Return its command line on a host, or in a container, where it answers whoever can reach that."""
        words, behind = split_at_end_of_options(self.command)
        more = []
        if in_container and self.port is not None:
            more += [] if self.command.has("--host") else ["--host", "0.0.0.0"]  # noqa: S104 (of a container)
            more += [] if self.command.has("--port") or self.command.name == "serve" else ["--port", str(self.port)]
        return [PROGRAM, *words, "--env", site.environment, *more, *behind]

    @property
    def host_ports(self) -> range:
        """The ports of a host by which a server in a container is reached: one for each of several."""
        if self.port is None or self.command.name == "stream run":
            return range(0)
        return range(self.port, self.port + self.deployment.replicas.least)


def long_run(deployment: Deployment) -> LongRun:
    """Return what there is to know of a deployment of valid files."""
    command = read_command(deployment.run)
    port = _PORTS.get(command.name)
    given = _value(command, "--port")
    return LongRun(
        deployment=deployment,
        command=command,
        port=int(given) if given and port is not None else port,
        ending_s=_ending_s(command),
        variables=tuple(_keys(command)),
    )


def _ending_s(command: ReadCommand) -> int:
    if command.name != "serve":
        return _ENDING_S[command.name]
    return _drain_s(_value(command, "--drain")) + _ANSWERING_S


def _drain_s(text: str) -> int:
    """Return the whole seconds of `--drain`, not less than it says: `35s`, `1m`, `2.5`."""
    if (length_us := parse_duration(text)) is not None:
        return seconds_of(length_us)
    try:
        return math.ceil(float(text.removesuffix("s")))
    except ValueError:  # not given, or refused by the command itself
        return _DRAIN_S


def _keys(command: ReadCommand) -> list[Variable]:
    """Return the variables that hold keys of clients."""
    names = ["FEATURECTL_API_KEYS"] if command.name == "serve" else []
    names += ["FEATURECTL_EVENT_KEYS"] if command.name == "serve" and command.has("--events") else []
    return [Variable(name=name, is_needed=False) for name in names]


def _value(command: ReadCommand, flag: str) -> str:
    return next((value for name, value in reversed(command.options) if name == flag), "")
