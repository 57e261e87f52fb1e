"""A MongoDB collection as the source of a run of the classification: only documents beyond the last one that was read,
unless all of it is wanted."""

import gc
from dataclasses import dataclass, replace
from datetime import date

from domain.classification.pipeline import Brought
from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions
from gql.cli_segmentation_kept import Kept
from gql.cli_segmentation_sources import ACTOR
from gql.cli_sources import Collection, OpenedPurchases, open_collection
from gql.settings import Settings
from persistence.bulk_import import PurchaseImporter


@dataclass(slots=True)
class CollectionSource:
    """A collection of purchases."""

    kept: Kept
    settings: Settings
    wanted: Collection
    options: ImportOptions
    name: str = "mongodb"

    @property
    def key(self) -> str:
        """The name of its state, which says that a run succeeded with what was read."""
        return f"run:mongodb:{self.wanted.database or ''}.{self.wanted.name or ''}"

    def open(self, whole: bool = False) -> OpenedPurchases:
        """The collection, from where it was last read to."""
        wanted = replace(self.wanted, whole=whole or self.wanted.whole)
        return open_collection(self.settings, self.kept.database, self.kept.business, wanted, self.options)

    def question(self, as_of: date | None, output: str) -> str:
        """What the output of the run answers."""
        return self.kept.question(self.key, as_of, output)

    def unchanged(self, as_of: date | None, output: str) -> bool:
        """Whether it holds no document beyond the last one that a run succeeded with."""
        state, _, _ = self.kept.read(self.key)
        if state is None or not self.kept.asked(as_of, output).items() <= state.state.items():
            return False
        opened = self.open()
        return opened.may_be_empty and not opened.anything_new()

    def bring(self, force: bool) -> Brought:
        """Import what is new."""
        # Until the run has succeeded, what was read counts as changed.
        self.kept.forget(self.key)
        opened = self.open(force)
        importer = PurchaseImporter(self.kept.database, self.kept.business, self.kept.clock)
        gc.disable()
        try:
            summary = importer.run(opened.name, opened.rows, opened.texts, actor=ACTOR, of_orders=opened.of_orders)
        finally:
            gc.enable()
        if summary.rows_read == 0 and not opened.may_be_empty:
            raise InvalidInput(f"No data found in {opened.name}.")
        opened.finish(self.kept.database, self.kept.business)
        return Brought(summary.rows_read, summary.rejected)

    def done(self, as_of: date | None, output: str) -> None:
        """Everything that was read is classified."""
        _, version, _ = self.kept.read(self.key)
        self.kept.write(self.key, self.kept.asked(as_of, output), version)
