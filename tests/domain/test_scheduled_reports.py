"""The setting of scheduled reports: what is understood of it, and the sentence for whatever is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.businesses.settings import plan_changes
from domain.errors import InvalidInput
from domain.jobs.model import NO_REPORTS, ReportPlan
from domain.reports.scheduled import FORMATS, MOST, plan_reports, read_scheduled_reports
from gql.parameters import REPORT_FORMATS

WEEKLY = {"name": "weekly", "format": "PDF", "every": "0  6 * * 1"}
NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)


def test_the_formats_are_those_of_reports() -> None:
    assert sorted(FORMATS) == sorted(REPORT_FORMATS)


def test_what_is_not_said_is_as_with_the_command() -> None:
    plan = plan_changes({}, {"scheduled_reports": [WEEKLY]}, 2)

    whole = {"name": "weekly", "format": "pdf", "every": "0 6 * * 1", "method": "rfm", "days": 90, "scheme": "eight"}
    assert plan.kept == {"scheduled_reports": [whole]}
    assert plan_changes(plan.kept, plan.kept, 2).changes == ()
    assert plan_changes(plan.kept, {"scheduled_reports": None}, 2).kept == {}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("weekly", "must be a list of tables such as"),
        ([3], "must be a list of tables such as"),
        ([WEEKLY] * 2, "must have another name for each report"),
        ([{**WEEKLY, "name": f"w{n}"} for n in range(MOST + 1)], "must be at most 20 reports"),
        ([WEEKLY, {**WEEKLY, "name": "../secret"}], "must have for report 2 as name 1 to 40 lower-case letters"),
        ([{**WEEKLY, "name": ""}], "must have for report 1 as name"),
        ([{**WEEKLY, "format": "doc"}], "must have for report 1 as format one of: csv, json, pdf, xlsx"),
        ([{"name": "weekly", "every": "0 6 * * 1"}], "must have for report 1 as format one of"),
        ([{**WEEKLY, "every": "monday"}], "must have for report 1 a right time: every must be five cron fields"),
        ([{**WEEKLY, "method": "rfv"}], "must have for report 1 as method one of: rfm, value, behavior"),
        ([{**WEEKLY, "days": 0}], "must have for report 1 as days a whole number between 1 and 9999"),
        ([{**WEEKLY, "days": True}], "must have for report 1 as days"),
        ([{**WEEKLY, "scheme": 8}], "must have for report 1 as scheme one of: eight, eleven"),
        ([{**WEEKLY, "storefront": ""}], "must have for report 1 as storefront the key of one"),
        ([{**WEEKLY, "folder": "/etc"}], "must have for report 1 only name, format, every"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(wrong: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_changes({}, {"scheduled_reports": wrong}, 2)

    assert refused.value.message.startswith(f"scheduled_reports {sentence}")


def test_a_report_waits_from_its_time_on_until_it_is_written() -> None:
    reports = read_scheduled_reports([WEEKLY])
    monday = datetime(2024, 6, 17, 6, tzinfo=UTC)

    new = plan_reports(reports, NO_REPORTS, NOW, "UTC")
    due = plan_reports(reports, new, monday, "UTC")

    assert new == ReportPlan({"weekly": monday})
    assert due == ReportPlan({"weekly": monday + timedelta(days=7)}, frozenset({"weekly"}))
    assert plan_reports(reports, due, monday + timedelta(hours=1), "UTC") == due
    assert plan_reports((), due, monday, "UTC") == NO_REPORTS


def test_a_schedule_that_comes_sooner_moves_the_time() -> None:
    before = plan_reports(read_scheduled_reports([WEEKLY]), NO_REPORTS, NOW, "UTC")

    after = plan_reports(read_scheduled_reports([{**WEEKLY, "every": "0 18 * * *"}]), before, NOW, "UTC")

    assert after.due == {"weekly": datetime(2024, 6, 15, 18, tzinfo=UTC)}
