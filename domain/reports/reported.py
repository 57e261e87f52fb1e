"""Customers by what a report says of them, for lists of customers that are filtered and sorted as any other: those of a
window, of one of its groups or of scores, and those who went from one group to another. Windows, scores and groups are
the report's own, so that a list holds exactly the customers whom the report counts."""

from dataclasses import dataclass
from datetime import date

from domain.calendar import Clock, check_days, load_zone, to_local_date
from domain.classification.groups import DIMENSIONS, Method
from domain.classification.rfm import RfmScheme
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Sentence
from domain.model import Business
from domain.reports.report import find_kind_of_score, list_scores, match_groups
from domain.reports.reporting import list_festive_days, list_known_groups
from domain.reports.transitions import build_span, pair_windows
from domain.store import Grouping, Labelled, Moved, Reported, Scored, Transition


@dataclass(frozen=True, slots=True)
class ReportedCustomers:
    """Chooses customers by reports. InvalidInput names the argument that is wrong."""

    clock: Clock
    customers: Customers

    async def choose(
        self,
        business: Business,
        method: Method,
        days: int,
        as_of: date | None,
        storefront_id: int | None,
        scheme: RfmScheme,
        code: str | None,
        digits: tuple[int | None, int | None, int | None],
    ) -> Reported:
        """Those of the window who are in the group of the code and have the scores for recency, frequency and money;
        None is any."""
        day = as_of or to_local_date(self.clock(), load_zone(business.time_zone))
        span = build_span(day, check_days(days), storefront_id)
        scores = list_scores(*digits)
        if code is not None:
            dimension, label = read_code(method, scheme, code, "segment_code")
            if method is Method.BEHAVIOR:
                if digits != (None, None, None):
                    raise InvalidInput(
                        Sentence("{segment_code} of BEHAVIOR must be given without scores"), ("segment_code",)
                    )
                grouping = Grouping(method, scheme, list_festive_days(business, span))
                return Labelled(span, grouping, dimension, label)
            scores = [each for each in scores if find_kind_of_score(method, scheme, each).code == label]
        return Scored(span, await self.customers.load_quintiles(business, span), tuple(scores))

    def choose_moved(
        self,
        business: Business,
        method: Method,
        days: int,
        first: date,
        last: date,
        storefront_id: int | None,
        scheme: RfmScheme,
        from_code: str | None,
        to_code: str | None,
    ) -> Reported:
        """Those who were in the one group in the window that ends first, and in the other in that which ends last; None
        is no group: they have no purchase in that window."""
        before, after, grouping = pair_windows(business, method, days, first, last, storefront_id, scheme)
        sides = [
            None if code is None else read_code(method, scheme, code, field)
            for code, field in ((from_code, "from_code"), (to_code, "to_code"))
        ]
        dimensions = {side[0] for side in sides if side is not None}
        if len(dimensions) != 1:
            message = Sentence("{from_code} and {to_code} must be groups of one dimension, or one of them null")
            raise InvalidInput(message, ("from_code",))
        labels = [None if side is None else side[1] for side in sides]
        return Moved(before, after, grouping, Transition(dimensions.pop(), *labels))


def read_code(method: Method, scheme: RfmScheme, code: str, field: str) -> tuple[str, str]:
    """Dimension and label of the group of that code; InvalidInput says which codes there are. Those of BEHAVIOR say
    both themselves, as most of its groups come from the data."""
    if method is not Method.BEHAVIOR:
        kinds = list_known_groups(method, scheme)
        kind = match_groups(kinds, code, field, [one.code for one in kinds])[0]
        return kind.dimension, kind.code
    dimension, _, label = code.partition(":")
    if dimension.lower() not in DIMENSIONS or not label:
        message = Sentence(f"{{{field}}} must be that of a group by behaviour, such as CHANNEL:web")
        raise InvalidInput(message, (field,))
    return dimension.lower(), label
