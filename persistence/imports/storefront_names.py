"""What rows of purchases say their storefronts are called, noted while they are read and written when these are in the
store. A name that a storefront has stays, whoever gave it: only one that is called by its key is given another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from domain.customers.customers import Customers
from domain.customers.purchases import Purchases
from domain.imports.columns import Columns, RowFault, check_encoding, count_noun, describe_cleaned
from domain.imports.reader import TextCache
from domain.imports.rows import Batch
from domain.model import Business
from persistence.imports.customers_file import ACTOR

FIELD = "storefront_name"
MAXIMUM_NAMES = 10_000
"""So many are kept of one source: a column that names no storefronts must not fill the memory."""


@dataclass(slots=True)
class StorefrontNames:
    """The first name that is said of each storefront, by its key. What cannot be kept is left out: no purchase is
    refused for it, and `warn` is told of the first."""

    columns: Columns
    warn: Callable[[str], None]
    names: dict[str, str] = field(default_factory=dict)
    fault: str | None = None
    _keys: TextCache = field(default_factory=lambda: TextCache("the storefront"))
    _texts: TextCache = field(default_factory=lambda: TextCache("the name of a storefront"))

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, whose rows are noted; each reading begins anew."""
        self.names.clear()
        self.fault, self._texts.cleaned = None, False
        for batch in batches:
            self._note(batch)
            yield batch
        if self.fault is not None:
            self.warn(f"Not all names of storefronts can be kept: {self.fault}")
        if self._texts.cleaned:
            self.warn(describe_cleaned([FIELD]))

    def _note(self, batch: Batch) -> None:
        key, name, width = self.columns.places["storefront"], self.columns.places[FIELD], self.columns.width
        rows = zip(batch.lines, batch.rows, strict=True)
        said = {(row[key], row[name]): None for line, row in rows if len(row) == width and line not in batch.faults}
        for cells in said:
            self._keep(cells)

    def _keep(self, cells: Sequence[str]) -> None:
        try:
            check_encoding(cells)
            key, name = self._keys[cells[0]], self._texts[cells[1]]
            if key is None or name is None or key in self.names:
                return
            if len(self.names) == MAXIMUM_NAMES:
                raise RowFault(f"there are more than {count_noun(MAXIMUM_NAMES, 'storefront')}")
            self.names[key] = name
        except RowFault as fault:
            self.fault = self.fault or str(fault)

    async def write(self, customers: Customers, business: Business) -> int:
        """Name those that are in the store by now; in how many transactions."""
        named = await Purchases(customers.store, customers.clock).name_storefronts(business, self.names, ACTOR)
        return int(named > 0)
