"""The language, as it is written: predictions on events, and where they go."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import GoesWith, KeyRule, OneOf
from featurectl.language.shapes.stream import Topic, TopicAddress, check_topic_address
from featurectl.language.shapes.values import AnyText, Duration, EnvironmentText


class PredictionsPlaceShape(ObjectShape):
    """Where predictions on events go: a topic, or a Delta table."""

    what: ClassVar[str] = "to"
    rules: ClassVar[tuple[KeyRule, ...]] = (OneOf(("topic", "path")), GoesWith(("url",), "topic"))
    topic: Topic | None = Field(None, description="The topic's name.", examples=["fraud_scores"])
    url: TopicAddress | None = Field(
        None, description="Where the topic lies, when that is not where the `streams` of the environment are."
    )
    path: EnvironmentText | None = Field(
        None, description="The folder of a Delta table, below the repository's root or a URL of a bucket."
    )

    def check_keys(self, report: Report) -> None:
        """The address is one of topics."""
        super().check_keys(report)
        if self.url is not None:
            check_topic_address(self.url, self.fields.place("url"), report)


class OnEventsShape(ObjectShape):
    """A prediction for each event of the spine's source, which is a stream; `stream run` makes them."""

    what: ClassVar[str] = "on_events"
    to: PredictionsPlaceShape = Field(description="Where the predictions go.")
    where: AnyText | None = Field(
        None, description="Only events for which this SQL expression is true.", examples=["amount > 0"]
    )
    max_age: Duration | None = Field(
        None, description="How old an event may be to be scored (10m); an older one goes to the rejected events."
    )
