"""Options that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from featurectl.operations.plan_files import PlanChoices

MOST_PORT: Final = (1 << 16) - 1
Select = Annotated[
    list[str] | None,
    typer.Option(
        help="Only these objects: name, na*, tag:x, entity:x, kind:feature_view, path:glob, state:modified; "
        "+x with what x is made of, x+ with what is made of it. May be repeated.",
        metavar="TERM",
    ),
]
AllowRemove = Annotated[
    list[str] | None,
    typer.Option(help="An object that may be removed, by name or KIND:NAME; once for each.", metavar="NAME"),
]
AllowBreaking = Annotated[
    list[str] | None,
    typer.Option(help="A view that may change although a champion reads it; once for each.", metavar="NAME"),
]
AllowOlder = Annotated[
    bool, typer.Option("--allow-older", help="Files may be of a commit without the one that was applied last.")
]
Allow = Annotated[
    Path | None,
    typer.Option(help="A file of the repository with what a review has allowed, like .allow.yaml.", metavar="FILE"),
]
AllowFuture = Annotated[
    bool, typer.Option("--allow-future", help="Compute as of an instant later than the store's clock.")
]
SpineOption = Annotated[str | None, typer.Option("--spine", help="A file or a source with the rows to answer.")]
Since = Annotated[str | None, typer.Option("--since", help="Only rows from this instant on.", metavar="TIME")]
Until = Annotated[str | None, typer.Option("--until", help="Only rows before this instant.", metavar="TIME")]
LookAtState = Annotated[
    bool, typer.Option("--state", help="Look at the stores too: the age and state of views and sources, as `status`.")
]
ViewOrVersion = Annotated[str, typer.Argument(help="VIEW, or VIEW@2 for one of its versions.")]
VersionOrChampion = Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What of the files a plan takes, and what it may do."""

    select: Select = None
    allow_remove: AllowRemove = None
    allow_breaking: AllowBreaking = None
    allow_older: AllowOlder = False
    allow: Allow = None

    def choices(self) -> PlanChoices:
        """Return them as the operation takes them."""
        from featurectl.operations.plan_files import PlanChoices

        return PlanChoices(
            select=tuple(self.select or ()),
            allow_remove=tuple(self.allow_remove or ()),
            allow_breaking=tuple(self.allow_breaking or ()),
            allow_older=self.allow_older,
            allow=self.allow,
        )
