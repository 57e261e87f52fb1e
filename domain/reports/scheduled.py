"""Reports that come by themselves: which there are is a setting of the business, when each comes next is kept with its
work. Times that were missed come to one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.calendar import check, find_next_run
from domain.classification.groups import Method
from domain.classification.rfm import RfmScheme
from domain.errors import InvalidInput
from domain.jobs.model import ReportPlan

FORMATS = ("csv", "json", "pdf", "xlsx")
MOST = 20
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
WHOLE = 'a list of tables such as {name = "weekly", format = "pdf", every = "0 6 * * 1"}'
SCHEMES = {scheme.value.removesuffix("_SEGMENT").lower(): scheme for scheme in RfmScheme}


@dataclass(frozen=True, slots=True)
class ScheduledReport:
    """A report that comes at the times of `every`, five cron fields in the business's zone; the storefront by its
    key."""

    name: str
    format: str
    every: str
    method: Method = Method.RFM
    days: int = 90
    scheme: RfmScheme = RfmScheme.EIGHT_SEGMENT
    storefront: str | None = None

    def as_json(self) -> dict[str, object]:
        """As it is kept."""
        said = {"method": self.method.value.lower(), "days": self.days, "scheme": _name_scheme(self.scheme)}
        place = {} if self.storefront is None else {"storefront": self.storefront}
        return {"name": self.name, "format": self.format, "every": self.every, **said, **place}


def _name_scheme(scheme: RfmScheme) -> str:
    return next(name for name, one in SCHEMES.items() if one is scheme)


def read_scheduled_reports(value: object) -> tuple[ScheduledReport, ...]:
    """The reports of the setting; ValueError with the rest of a sentence that begins with its name."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError(f"must be {WHOLE}")
    if len(value) > MOST:
        raise ValueError(f"must be at most {MOST} reports")
    reports = tuple(_read_report(f"report {place}", one) for place, one in enumerate(value, 1))
    if len({report.name for report in reports}) < len(reports):
        raise ValueError("must have another name for each report")
    return reports


def _read_report(which: str, said: Mapping[str, object]) -> ScheduledReport:
    def choose(key: str, default: str, known: Sequence[str]) -> str:
        value = said.get(key, default)
        if not isinstance(value, str) or value.lower() not in known:
            raise ValueError(f"must have for {which} as {key} one of: {', '.join(known)}")
        return value.lower()

    known = ("name", "format", "every", "method", "days", "scheme", "storefront")
    if further := [key for key in said if key not in known]:
        raise ValueError(f"must have for {which} only {', '.join(known)}, not {str(further[0])[:40]}")
    name, days, storefront = said.get("name"), said.get("days", 90), said.get("storefront")
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise ValueError(f"must have for {which} as name 1 to 40 lower-case letters, digits or hyphens, such as weekly")
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 9999:
        raise ValueError(f"must have for {which} as days a whole number between 1 and 9999")
    if storefront is not None and (not isinstance(storefront, str) or not 0 < len(storefront) <= 1000):
        raise ValueError(f"must have for {which} as storefront the key of one")
    try:
        every = check(str(said.get("every", "")), ("every",))
    except InvalidInput as error:
        raise ValueError(f"must have for {which} a right time: {error.message}") from error
    return ScheduledReport(
        name,
        choose("format", "", FORMATS),
        every,
        Method(choose("method", "rfm", [one.value.lower() for one in Method]).upper()),
        days,
        SCHEMES[choose("scheme", "eight", list(SCHEMES))],
        storefront,
    )


def plan_reports(reports: Sequence[ScheduledReport], before: ReportPlan, now: datetime, time_zone: str) -> ReportPlan:
    """When each comes next, and which wait to be written. A schedule that is new, or comes sooner than the one before,
    moves the time; times that were missed come to one."""
    due: dict[str, datetime] = {}
    waiting = set(before.waiting) & {report.name for report in reports}
    for report in reports:
        then, known = find_next_run(report.every, now, time_zone), before.due.get(report.name)
        if known is not None and known <= now:
            waiting.add(report.name)
        elif known is not None and (then is None or known < then):
            then = known
        if then is not None:
            due[report.name] = then
    return ReportPlan(due, frozenset(waiting))
