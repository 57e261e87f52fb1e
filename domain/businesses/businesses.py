"""Tenants: created, and the one found that a caller means."""

import re
from dataclasses import dataclass

from domain.calendar import Clock, load_zone
from domain.customers.purchases import count_due
from domain.errors import InvalidInput, NotFound, Sentence, find_text_problems
from domain.model import Business, BusinessSettings
from domain.money import find_exponent
from domain.store import Store
from domain.texts import compose_optional

KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def check_key(key: str) -> str:
    """A key made of lower-case letters, digits and hyphens; InvalidInput otherwise."""
    if KEY.fullmatch(key) is None:
        raise InvalidInput("key must be 1 to 64 lower-case letters, digits or hyphens, such as my-shop", ("key",))
    return key


def check_name(name: str | None) -> str | None:
    """The name as it is kept; InvalidInput where it cannot be one."""
    kept = compose_optional(name)
    if problems := find_text_problems(("name",), kept):
        raise InvalidInput.of(problems)
    return kept


@dataclass(frozen=True, slots=True)
class Businesses:
    """What can be done with tenants."""

    store: Store
    clock: Clock

    async def load_all(self) -> list[Business]:
        """Every business of the store, by key."""
        return await self.store.load_businesses()

    async def open(self, key: str) -> Business:
        """The business, with every purchase counted whose instant has passed; NotFound where there is none."""
        stored = await self.store.find_business(key)
        if stored is None:
            raise NotFound(f"There is no business with the key {key}.")
        business, due = stored
        if not due:
            return business
        async with self.store.write(business) as unit:
            await count_due(unit, self.clock())
        again = await self.store.find_business(key)
        return business if again is None else again[0]

    def find_held(self, key: str) -> Business | None:
        """What `open` returns, where nothing has to be waited for."""
        stored = self.store.find_held_business(key)
        return None if stored is None or stored[1] else stored[0]

    async def create(self, key: str, name: str | None, time_zone: str, currency: str) -> Business:
        """Add a tenant; InvalidInput and AlreadyTaken name what is wrong."""
        find_exponent(currency)
        load_zone(time_zone)
        wanted = Business(0, check_key(key), check_name(name) or key, currency, time_zone, BusinessSettings(), 1, 0, 0)
        return await self.store.create_business(wanted, self.clock())

    async def choose(self, key: str | None, default: str) -> Business:
        """The one named, else the only one there is, else the default; InvalidInput lists the keys."""
        every = await self.store.load_businesses()
        wanted = key or (every[0].key if len(every) == 1 else default)
        if wanted and wanted in {business.key for business in every}:
            return await self.open(wanted)
        keys = ", ".join(business.key for business in every) or "none yet"
        if wanted:
            said = "There is" if key else f"SEGMENTS_BUSINESS is {wanted}, and there is"
            raise InvalidInput(f"{said} no business with the key {wanted}. There are: {keys}.", ("business",))
        message = Sentence("Which business? Give {business} KEY or SEGMENTS_BUSINESS. There are: {}.", keys)
        raise InvalidInput(message, ("business",))

    async def plan_for_import(
        self, default: str, key: str | None, time_zone: str | None, currency: str | None
    ) -> Business:
        """The business that is meant. One that is named, new, and given both its zone and its currency has the id 0: it
        is made, by `create_planned`, when its source is known to be readable."""
        known = {one.key for one in await self.load_all()}
        if key is not None and key not in known:
            if time_zone is None or currency is None:
                there = ", ".join(sorted(known)) or "none yet"
                message = Sentence(
                    "There is no business with the key {}. There are: {}. "
                    "Give {time_zone} and {currency} to make it with the import.",
                    key,
                    there,
                )
                raise InvalidInput(message, ("business",))
            load_zone(time_zone)
            find_exponent(currency)
            try:
                check_key(key)
            except InvalidInput as error:
                raise InvalidInput(Sentence("{business}: the {}", error.message), ("business",)) from error
            return Business(0, key, key, currency, time_zone, BusinessSettings(), 1, 0, 0)
        if not known:
            message = Sentence("There is no business yet. Give {business} KEY, {time_zone} and {currency} to make one.")
            raise InvalidInput(message, ("business",))
        business = await self.choose(key, default)
        for template, wanted, stored in (
            ("{time_zone} is {}, but the business {} has {}.", time_zone, business.time_zone),
            ("{currency} is {}, but the business {} has {}.", currency, business.currency),
        ):
            if wanted is not None and wanted != stored:
                raise InvalidInput(Sentence(template, wanted, business.key, stored))
        return business

    async def create_planned(self, planned: Business) -> Business:
        """The business that an import makes."""
        return await self.create(planned.key, planned.name, planned.time_zone, planned.currency)
