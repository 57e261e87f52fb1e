"""What is asked where classifiers are installed: labels of a page of customers, and how many have each label. Where an
expression fails for a customer the question is asked again without expressions, and the built-in labels stand."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.classification.labels import Classification, ClassificationSettings, ClassificationSpan
from domain.classifiers import ClassifierFailed, Classifiers
from domain.model import Business
from domain.store import ReadUnit

Labels = Mapping[str, Sequence[str | None]]
log = logging.getLogger("segments")


class Reading(Protocol):
    """Every business's data, to be read."""

    def read(self, business: Business) -> AbstractAsyncContextManager[ReadUnit]: ...


@dataclass(frozen=True, slots=True)
class ClassifierQuestion:
    """The labels as of a day."""

    store: Reading
    business: Business
    span: ClassificationSpan
    settings: ClassificationSettings
    decimals: int
    classifiers: Classifiers

    async def labels(self, customers: Sequence[int]) -> dict[int, Classification]:
        """Of those customers who have any."""
        found: dict[int, Classification] = {}

        def note(ids: Sequence[int], labels: Labels) -> None:
            for place, key in enumerate(ids):
                further = ((name, labels[name][place]) for name in self.classifiers.added if name in labels)
                found[key] = Classification(
                    labels["frequency"][place],
                    labels["spending"][place],
                    labels["category"][place],
                    tuple((name, label) for name, label in further if label is not None),
                )

        async def ask(usable: Classifiers) -> None:
            found.clear()
            await self._each(usable, customers, note)

        await self._without_failing(ask)
        return found

    async def counts(self) -> list[tuple[str, str, int]]:
        """Customers by dimension and label; in the store alone, where no classifier is a function."""
        counted: Counter[tuple[str, str]] = Counter()

        def note(ids: Sequence[int], labels: Labels) -> None:
            for name, each in labels.items():
                counted.update((name, label) for label in each if label is not None)

        async def ask(usable: Classifiers) -> None:
            counted.clear()
            if usable.functions:
                await self._each(usable, None, note)
                return
            async with self.store.read(self.business) as unit:
                found = await unit.classified.counts(self.span, self.settings, self.decimals, usable)
            counted.update({(dimension, label): count for dimension, label, count in found})

        await self._without_failing(ask)
        return [(*key, count) for key, count in counted.items()]

    async def _each(
        self, usable: Classifiers, customers: Sequence[int] | None, note: Callable[[Sequence[int], Labels], None]
    ) -> None:
        async with self.store.read(self.business) as unit:
            asked = unit.classified.batches(self.span, self.settings, self.decimals, usable, customers)
            async for batch in asked:
                # A function may take long, and must not hold up the other requests.
                note(batch.ids, await asyncio.to_thread(usable.decided, batch))

    async def _without_failing(self, ask: Callable[[Classifiers], Awaitable[None]]) -> None:
        try:
            await ask(self.classifiers)
        except ClassifierFailed:
            names = ", ".join(one.name for one in self.classifiers.sql)
            log.warning("the sql of a classifier failed (%s); built-in labels stand", names)
            await ask(self.classifiers.without_sql())
