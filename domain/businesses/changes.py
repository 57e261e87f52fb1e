"""What changes of a business: its name, zone and currency, and its settings. A change of settings has the segments
calculated again whose rules use a label or a score that is measured by it, as no customer changed whom they could
follow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.audit import compute_digests
from domain.businesses.businesses import Businesses, check_name
from domain.businesses.settings import SettingsPlan, plan_changes
from domain.calendar import load_zone
from domain.errors import InvalidInput, Sentence
from domain.imports.saved_formats import describe_unknown
from domain.jobs.queue import queue_following
from domain.model import Actor, Business, BusinessSettings
from domain.money import find_exponent
from domain.rules.context import collect_variable_names
from domain.rules.variables import RANKED
from domain.segments.dependencies import read_definitions
from domain.segments.model import Segment
from domain.store import Store, Unit

FORMAT = "import.format"
FREQUENCY = frozenset({"purchase_frequency_label"})
SPENDING = frozenset({"spending_label"})
CATEGORY = frozenset({"category_label"})
MEASURES: Mapping[str, frozenset[str]] = {
    "high_average_order": SPENDING,
    "high_lifetime": SPENDING,
    "low_lifetime": SPENDING,
    "loyal_orders": FREQUENCY,
    "loyal_months": FREQUENCY,
    "lapsed_days": FREQUENCY,
    "festive_percent": FREQUENCY,
    "frequency_order": FREQUENCY,
    "festive_periods": FREQUENCY,
    "dominant_percent": CATEGORY,
    "family_percent": CATEGORY,
    "rfm_days": RANKED,
}
"""Variables of rules by the settings that measure them."""


def find_affected_segments(names: Iterable[str], segments: Iterable[Segment]) -> list[Segment]:
    """The segments whose own rules use what these settings measure, each after those that it uses."""
    variables = frozenset().union(*(MEASURES.get(name, frozenset()) for name in names))
    if not variables:
        return []
    definitions = read_definitions(segments)
    trees = definitions.trees
    return [
        each
        for each in definitions.segments
        if each.key in trees and not variables.isdisjoint(collect_variable_names(trees[each.key]))
    ]


async def _check_format(unit: Unit, plan: SettingsPlan) -> None:
    """InvalidInput where files were to be read by a format that the business has not saved."""
    for wanted in (one.new for one in plan.changes if one.name == FORMAT and one.new is not None):
        names = [one.name for one in await unit.formats.load_all()]
        if wanted not in names:
            raise InvalidInput(describe_unknown(FORMAT, str(wanted), names), ("settings", FORMAT))


@dataclass(frozen=True, slots=True)
class BusinessChanges:
    """What can be changed of tenants."""

    store: Store
    businesses: Businesses

    async def change(
        self, key: str, actor: Actor, *, name: str | None, time_zone: str | None, currency: str | None
    ) -> Business:
        """Set what is given. The currency is fixed once there are purchases; another zone rewrites every local day."""
        business, name = await self.businesses.open(key), check_name(name)
        if time_zone is not None:
            load_zone(time_zone)
        if currency is not None:
            find_exponent(currency)
        async with self.store.write(business) as unit:
            # As it is now that nobody else can write: it may have changed since it was looked up.
            business = unit.business
            changes: dict[str, object] = {}
            if name is not None and name != business.name:
                changes["name"] = name
            if currency is not None and currency != business.currency:
                if await unit.purchases.has_any():
                    raise InvalidInput(Sentence("{currency} cannot change once there are purchases"), ("currency",))
                # Its thresholds must be amounts of the new one, too.
                plan_changes({}, unit.business.settings.stored, find_exponent(currency), here=True)
                changes["currency"] = currency
            if time_zone is not None and time_zone != business.time_zone:
                await unit.purchases.move_days(time_zone)
                changes["time_zone"] = time_zone
            if changes:
                version = business.settings_version + 1
                await unit.save_settings({**changes, "settings_version": version})
                await unit.mark_data_changed()
                await unit.audit(actor, "setBusiness", None, changes)
                business = replace(business, settings_version=version, **changes)  # type: ignore[arg-type]
        return business

    async def plan_settings(self, key: str, stated: Mapping[str, object], *, here: bool = False) -> SettingsPlan:
        """What the statement would change; InvalidInput carries every fault."""
        business = await self.businesses.open(key)
        plan = plan_changes(business.settings.stored, stated, find_exponent(business.currency), here=here)
        async with self.store.read(business) as unit:
            await _check_format(unit, plan)
        return plan

    async def suppose_settings(self, business: Business, stated: Mapping[str, object]) -> Business:
        """The business as it would be with these settings over its own, which are not saved; InvalidInput as of those
        that are."""
        plan = plan_changes(business.settings.stored, stated, find_exponent(business.currency))
        async with self.store.read(business) as unit:
            await _check_format(unit, plan)
        return replace(business, settings=BusinessSettings.of(plan.kept))

    async def set_settings(
        self,
        key: str,
        stated: Mapping[str, object],
        actor: Actor,
        *,
        expected_version: int | None = None,
        here: bool = False,
        outside: Sequence[str] = (),
    ) -> tuple[Business, SettingsPlan]:
        """Change what is stated: absent keeps, null goes back to the default. Nothing is changed where there is a
        fault or the version is another one. `outside` names what the caller keeps elsewhere, for the audit log."""
        business = await self.businesses.open(key)
        async with self.store.write(business) as unit:
            business = unit.business
            version = business.settings_version
            if expected_version not in (None, version):
                template = "{expected_version} is {}, but the settings have version {} now"
                message = Sentence(template, expected_version, version)
                raise InvalidInput(message, ("expected_version",), "CONFLICT")
            plan = plan_changes(business.settings.stored, stated, find_exponent(business.currency), here=here)
            await _check_format(unit, plan)
            changed: dict[str, object] = {one.name: one.told for one in plan.changes}
            if plan.changes:
                await unit.save_settings({"settings": plan.kept, "settings_version": version + 1})
                await unit.mark_data_changed()
                names = [one.name for one in plan.changes]
                await queue_following(
                    unit, find_affected_segments(names, await unit.segments.load_all(automatic=True)), "settings"
                )
                business = replace(business, settings=BusinessSettings.of(plan.kept), settings_version=version + 1)
            detail = {"changed": changed | dict.fromkeys(outside), "version": business.settings_version}
            digests = compute_digests(unit.business.settings.stored, business.settings.stored)
            await unit.audit(actor, "updateBusinessSettings", None, {**detail, **digests})
            await unit.mark_done(actor, business=("Business",))
        return business, plan
