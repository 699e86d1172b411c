"""The language, as it is written: the project and its environments."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from featurectl.language.problems.report import Report
from featurectl.language.shapes.addresses import (
    FOLDERS,
    ONLINE_STORES,
    REGISTRIES,
    FolderAddress,
    OnlineUrl,
    RegistryUrl,
    check_address,
)
from featurectl.language.shapes.base import ObjectShape, listed_names
from featurectl.language.shapes.stream import TopicsUrl, check_topic_address
from featurectl.language.shapes.values import (
    Duration,
    EnvironmentText,
    Instant,
    Listed,
    Name,
    NamedMapped,
    Number,
    Size,
    Text,
)

LEAST_LOG = 16 << 20


class EngineShape(ObjectShape):
    """What computes."""

    what: ClassVar[str] = "engine"
    type: EnvironmentText = Field(description="The engine by its name: polars is the default.", examples=["polars"])
    remote: EnvironmentText | None = Field(None, description="Where the engine runs, when it is not this machine.")


class PredictionLogShape(ObjectShape):
    """Which share of the predictions is kept, and how long."""

    what: ClassVar[str] = "prediction_log"
    sample: Number | None = Field(
        None,
        description="The share of predictions to keep, from 0 to 1.",
        json_schema_extra={"minimum": 0, "maximum": 1},
    )
    keep: Duration | None = Field(
        None,
        description="How long: servers remove the files that are older. 30d when left out.",
        examples=["30d", "90d"],
    )
    max_bytes: Size | None = Field(
        None,
        description="How much the files of all models may take: servers remove the oldest beyond it, and drop rows "
        "where they can't. 1GiB when left out; 16MiB or more.",
    )

    def check_keys(self, report: Report) -> None:
        """A share is one; a log that holds no file would lose every row."""
        if self.sample is not None and not 0 <= self.sample <= 1:
            report.error("FC104", '"sample" is a share, from 0 to 1', self.fields.place("sample"))
        if self.max_bytes and self.max_bytes < LEAST_LOG:
            report.error("FC104", '"max_bytes" is 16MiB or more', self.fields.place("max_bytes"))


class EnvironmentShape(ObjectShape):
    """The stores that a command uses with `--env NAME`; `${NAME}` and `${NAME:-default}` may stand in addresses."""

    what: ClassVar[str] = "environment"
    registry: RegistryUrl = Field(
        description="Where `apply` keeps what is declared: a SQLAlchemy URL. A relative path starts at the repository.",
        examples=["sqlite:///.featurectl/registry.db", "${REGISTRY_URL}"],
    )
    offline: FolderAddress = Field(
        description="Where the tables of the views are: a folder, or s3:// gs:// az://.",
        examples=[".featurectl/offline", "${OFFLINE_STORE}"],
    )
    online: OnlineUrl = Field(
        description="Where the latest values are, for reading by key: sqlite:/// redis:// rediss:// redis+cluster:// "
        "postgresql:// dynamodb://.",
        examples=["sqlite:///.featurectl/online.db", "${REDIS_URL}"],
    )
    streams: TopicsUrl | None = Field(
        None,
        description="Where the topics of streams are: sqlite:/// redis:// rediss:// redis+cluster:// kafka://.",
        examples=["sqlite:///.featurectl/streams.db", "${KAFKA}"],
    )
    engine: EngineShape | None = Field(None, description="What computes; polars when left out.")
    now: Instant | None = Field(
        None, description="A fixed clock, for data that has ended. Leave it out where sources go on."
    )
    prediction_log: PredictionLogShape | None = Field(None, description="Which predictions are kept, and how many.")
    data_roots: Listed[EnvironmentText] = Field(
        (),
        description="Folders outside of the repository that its sources may read. Elsewhere on the machine they read "
        "nothing; what lies in these `validate` and `plan` don't look at.",
        examples=[["/srv/lake"], ["${LAKE}"]],
    )

    def check_keys(self, report: Report) -> None:
        """Each address is one of its kind."""
        super().check_keys(report)
        for key, address, kind in (
            ("registry", self.registry, REGISTRIES),
            ("offline", self.offline, FOLDERS),
            ("online", self.online, ONLINE_STORES),
        ):
            check_address(address, kind, self.fields.place(key), report)
        if self.streams is not None:
            check_topic_address(self.streams, self.fields.place("streams"), report)


class ProjectShape(ObjectShape):
    """The project and its environments. The folder of this file is the repository."""

    what: ClassVar[str] = "featurectl.yaml"
    project: Name = Field(description="The project's name. A registry holds many projects; a plan sees only its own.")
    environments: NamedMapped[EnvironmentShape] = Field(
        description="The environments by name. The first is the default; `--env NAME` picks another."
    )
    files: Listed[Text] = Field(
        (),
        description="Which YAML files are read: patterns relative to this file, where `*` is part of a name and `**` "
        "any number of folders. Left out: all that have a key of featurectl, but not those in hidden folders, data/, "
        "deploy/, and folders of other tools.",
        examples=[["features/**"], ["entities.yaml", "views/**", "models/*.yaml"]],
    )

    def check_keys(self, report: Report) -> None:
        """A pattern stays below the root."""
        for node in listed_names(self.fields, "files"):
            if not is_pattern(node.text):
                message = f'"{node.text}" is not a pattern of files'
                note = 'a pattern is relative to the repository, with / between its parts, none . or ..: "features/**"'
                report.error("FC104", message, node.span.place, note=note)


def is_pattern(text: str) -> bool:
    """Return whether a text is a pattern of files below the root.

    >>> [is_pattern(text) for text in ("views/**", "../x.yaml", "./x.yaml", "/srv/x.yaml", "views/")]
    [True, False, False, False, False]
    """
    return {"", ".", ".."}.isdisjoint(text.split("/")) and "\\" not in text
