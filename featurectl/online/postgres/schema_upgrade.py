"""The schema of an online store, made and brought up to date before it is written first."""

from __future__ import annotations

from featurectl.online.postgres.connect import PostgresLink, translated
from featurectl.online.postgres.migrations.steps import HEAD
from featurectl.online.postgres.steps import revision, taken


class StoreSchema:
    """Brings the schema of a store up to date, once for each link."""

    def __init__(self, link: PostgresLink) -> None:
        self._link = link
        self._is_ready = False

    def ensure(self) -> None:
        """See that the schema is the newest.

        Raises:
            StoreError: a newer featurectl made it, or the server refuses a step.
        """
        if self._is_ready:
            return
        if self._link.read(lambda session: taken(session, revision(self._link.address.shown))) != HEAD:
            from featurectl.online.postgres.migrations.upgrade import bring_up_to_date  # slow to import, rarely needed

            with translated(self._link.address):
                bring_up_to_date(self._link.open_transaction)
        self._is_ready = True
