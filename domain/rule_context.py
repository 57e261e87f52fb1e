"""The present of a rule: which business, which instant, and what ranks and labels are measured by. The statement in the
database and the row evaluator are given the same context, so they cannot disagree about today."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.calendar import Span, local_day, zone
from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classification.rfm import Cuts
from domain.model import DEFAULT_RFM_DAYS, Business
from domain.money import exponent
from domain.ports import ReadUnit
from domain.rule_references import uses_rank, variable_names
from domain.rules import Node


@dataclass(frozen=True, slots=True)
class RuleContext:
    """`cuts` are needed by rules that rank, `first_day` (of any purchase) by those that look at the buying pattern."""

    business: Business
    now: datetime
    cuts: Cuts | None = None
    first_day: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The business's zone."""
        return zone(self.business.time_zone)

    @property
    def today(self) -> int:
        """Day number of the business's local date."""
        return local_day(self.now, self.zone)

    @property
    def scale(self) -> float:
        """Minor units in a major one."""
        return float(10 ** exponent(self.business.currency))

    @property
    def span(self) -> Span:
        """The window of a customer's own scores."""
        days = self.business.settings.get("rfm_days", DEFAULT_RFM_DAYS)
        length = days if isinstance(days, int) else DEFAULT_RFM_DAYS
        return Span(self.today - length + 1, self.today)

    @property
    def classification(self) -> ClassificationSettings:
        """The thresholds of the labels."""
        return ClassificationSettings.from_settings(self.business.settings)

    @property
    def labelled(self) -> ClassificationSpan:
        """The days that the labels look at."""
        settings, first = self.classification, self.today if self.first_day is None else self.first_day
        recent = settings.recent_from(self.now.astimezone(self.zone).date()).toordinal()
        return ClassificationSpan(recent, self.today, tuple(settings.festive.day_ranges(first, self.today)))


async def rule_context(unit: ReadUnit, now: datetime, trees: Iterable[Node], cuts: Cuts | None = None) -> RuleContext:
    """The context that the rules need, at most two statements; give `cuts` of the window where they are kept."""
    rules = list(trees)
    context = RuleContext(unit.business, now)
    if cuts is None and any(uses_rank(tree) for tree in rules):
        cuts = await unit.reports.cuts(context.span)
    first_day = None
    if any("purchase_frequency_label" in variable_names(tree) for tree in rules):
        bounds = await unit.reports.day_bounds()
        first_day = None if bounds is None else bounds[0]
    return RuleContext(unit.business, now, cuts, first_day)
