"""The scores of both sides of a canary that are compared: up to the instant that the log has of both."""

from __future__ import annotations

from typing import Final

import polars as pl

COMPARED: Final = 100_000  # entities of a side
_AT: Final = pl.Datetime("us", "UTC")
_SCORES: Final = pl.Schema({"entity": pl.Int64(), "logged_at": _AT, "score": pl.Float64()})
_WAITING: Final = pl.Schema({"server": pl.String(), **_SCORES})
_REACHED: Final = pl.Schema({"server": pl.String(), "logged_at": _AT})


class LastScores:
    """The last score of each entity: many requests for one of them are one observation.

    Of more than `most` entities a part is kept, by the last bits of their hashes: these say nothing of the side that an
    entity is on, and the part is the same in whatever order rows come.
    """

    def __init__(self, most: int = COMPARED) -> None:
        self._most = most
        self._one_of = 1
        self._rows = pl.DataFrame(schema=_SCORES)

    def add(self, rows: pl.DataFrame) -> None:
        """Take more rows; those without a score are left out."""
        new = self.kept(rows.drop_nulls("score").select(self._rows.columns))
        known = pl.concat([self._rows, new]).sort("logged_at", maintain_order=True)
        self._rows = known.unique("entity", keep="last", maintain_order=True)
        while self._rows.height > self._most:
            self._one_of *= 2
            self._rows = self.kept(self._rows)

    def values(self) -> pl.Series:
        """Return a score for each entity that is kept."""
        return self._rows["score"]

    def kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of entities of the part that is kept."""
        return rows.filter(pl.col("entity") % self._one_of == 0)


class SideScores:
    """The scores of one side: those that are compared, those that wait for the other side, and how far its log goes.

    `reached` is the instant of the last row of each server, whether it has a score or not. Of what waits the earliest
    `COMPARED` rows are kept: what comes behind them is of a time of which the other side has nothing.
    """

    def __init__(self) -> None:
        self.compared = LastScores()
        self.waiting = pl.DataFrame(schema=_WAITING)
        self.reached = pl.DataFrame(schema=_REACHED)

    def add(self, rows: pl.DataFrame) -> None:
        """Take more rows of this side, all of which wait at first."""
        new = self.compared.kept(rows.drop_nulls("score").select(_WAITING.names()))
        self.waiting = pl.concat([self.waiting, new])
        together = pl.concat([self.reached, rows.select(_REACHED.names())])
        self.reached = together.group_by("server").agg(pl.col("logged_at").max())

    def release(self, until: pl.DataFrame) -> None:
        """Compare what waits up to an instant of its server."""
        known = self.waiting.join(until, on="server", how="left", maintain_order="left")
        is_due = (pl.col("logged_at") <= pl.col("until")).fill_null(value=False)
        self.compared.add(known.filter(is_due))
        self.waiting = known.filter(~is_due).drop("until").sort("logged_at", maintain_order=True).head(COMPARED)


class ComparedScores:
    """The last score of each entity of either side, up to the instant that the log has of both.

    A server writes what both versions have answered into two files, one after the other, and each server when its own
    are due: a look has seconds of one side that it lacks of the other. Scores of other seconds may be others, though
    both versions say the same. So each server's rows count up to where both of its sides are; of one that has rows of
    one side alone, up to where both sides are anywhere. What was compared once stays so.
    """

    def __init__(self) -> None:
        self.sides = (SideScores(), SideScores())

    def add(self, champion: pl.DataFrame, challenger: pl.DataFrame) -> None:
        """Take more rows, with the columns `server`, `entity`, `logged_at` and `score`."""
        for side, rows in zip(self.sides, (champion, challenger), strict=True):
            side.add(rows)
        until = self._until()
        for side in self.sides:
            side.release(until)

    def values(self) -> tuple[pl.Series, pl.Series]:
        """Return a score for each entity of the champion that is compared, and of the challenger."""
        champion, challenger = self.sides
        return champion.compared.values(), challenger.compared.values()

    def _until(self) -> pl.DataFrame:
        """Return up to when the rows of each server count."""
        ends = pl.concat([side.reached for side in self.sides])
        overall = [side.reached["logged_at"].max() for side in self.sides]
        if None in overall:
            return pl.DataFrame(schema={"server": pl.String(), "until": _AT})
        both = pl.len() == len(self.sides)
        anywhere = pl.lit(pl.Series(overall, dtype=_AT).min(), dtype=_AT)
        until = pl.when(both).then(pl.col("logged_at").min()).otherwise(anywhere)
        return ends.group_by("server").agg(until.alias("until"))
