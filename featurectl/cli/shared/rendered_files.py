"""Options of the commands that render files for other programs, and what they say of these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.pipelines.render.files import FileOnDisk, Rendering
    from featurectl.pipelines.render.order import RenderOrder


_SAYS = {
    "written": "wrote {}",
    "missing": "missing: {}",
    "outdated": "outdated: {}: {} made it, and {} makes another one: render it again, and look at the difference",
    "stale": "stale: {}: what it is made of has changed",
    "edited": "edited: {}: it is not what is made of the repository's files",
    "obsolete": "obsolete: {}: nothing is rendered into it any more; end what it started, and remove it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """Where files go to, and what they name of the places that run them."""

    out: Annotated[
        str | None,
        typer.Option(
            help="The file, or with a / behind it the folder of the files; deploy/ENV/TARGET/ by default.",
            metavar="PATH",
        ),
    ] = None
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is missing or not as it would be now.")
    ] = False
    image: Annotated[
        str | None, typer.Option(help="The container image; PROJECT:latest by default.", metavar="IMAGE")
    ] = None
    folder: Annotated[
        str | None,
        typer.Option(help="The repository's folder on a host; /srv/PROJECT by default.", metavar="DIR"),
    ] = None

    variable: Annotated[
        list[str] | None,
        typer.Option(
            help="A variable that what runs needs, beside those that the files name, like AWS_REGION. May be repeated.",
            metavar="NAME",
        ),
    ] = None

    def order(self, call: Call, names: list[str] | None, target: str) -> RenderOrder:
        """Return them as the operation takes them."""
        from featurectl.pipelines.render.order import RenderOrder
        from featurectl.pipelines.render.site import SitePlaces

        return RenderOrder(
            root=call.root(),
            env=call.env,
            names=tuple(names or ()),
            target=target,
            out=None if self.out is None else Path(self.out),
            is_folder=bool(self.out) and str(self.out).endswith("/"),
            is_check=self.check,
            places=SitePlaces(image=self.image or "", folder=self.folder or "", variables=tuple(self.variable or ())),
        )


def outcome_of(call: Call, target: str, rendering: Rendering) -> Outcome:
    """Return what there is to say of rendered files: those that were written, or are not as they would be now."""
    from featurectl.cli.render.files import Files

    shown = Files(call).shown
    paths = [(shown(str(file.path.absolute())), file) for file in rendering.files]
    for warning in rendering.warnings:
        call.progress.done(f"warning: {warning}")
    lines = [f"left out {name}: {why}" for name, why in rendering.left_out.items()]
    lines += [_said(path, file) for path, file in paths if file.state in _SAYS]
    if rendering.is_fresh and not any(file.state == "written" for _, file in paths):
        lines.append(f"{counted(len(paths), 'file')} as {'it' if len(paths) == 1 else 'they'} would be made now")
    return Outcome(
        text="".join(f"{line}\n" for line in lines),
        result={
            "target": target,
            "files": [_document(path, file) for path, file in paths],
            "left_out": [{"name": name, "why": why} for name, why in rendering.left_out.items()],
            "warnings": list(rendering.warnings),
        },
        exit_code=0 if rendering.is_fresh else 1,
    )


def _said(path: str, file: FileOnDisk) -> str:
    made_by = f"featurectl {file.made_by}" if file.made_by else "another featurectl"
    return _SAYS[file.state].format(path, made_by, file.release)


def _document(path: str, file: FileOnDisk) -> dict[str, str]:
    release = {"release": file.made_by} if file.state == "outdated" else {}
    return {"path": path, "state": file.state, **release}
