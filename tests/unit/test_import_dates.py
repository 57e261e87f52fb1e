"""Instants of a file: the quick way and the full way say the same, in every zone and at every change of its clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.calendar import local_day, read_instant, to_micros, zone
from domain.import_dates import DateFault, DateReader

ZONES = [
    "UTC",
    "Asia/Colombo",
    "Asia/Kathmandu",
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Monrovia",
]
FORMS = ["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"]
READERS = {name: DateReader(name, None) for name in ZONES}


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(FORMS),
    st.sampled_from(["", "Z", "+00:00", "+05:30", "-03"]),
    st.sampled_from(ZONES),
)
@example(datetime(2024, 3, 31, 1, 30), FORMS[3], "", "Europe/London")
@example(datetime(2024, 10, 27, 1, 30), FORMS[3], "", "Europe/London")
@example(datetime(2018, 11, 4, 0, 30), FORMS[3], "", "America/Sao_Paulo")
@example(datetime(2024, 4, 7, 1, 45), FORMS[3], "", "Australia/Lord_Howe")
@example(datetime(2024, 4, 6, 15, 15), FORMS[3], "Z", "Australia/Lord_Howe")
@example(datetime(2011, 12, 30, 12, 0), FORMS[3], "", "Pacific/Apia")
@example(datetime(2011, 12, 30, 10, 0), FORMS[3], "Z", "Pacific/Apia")
@example(datetime(1972, 1, 7, 0, 20), FORMS[3], "", "Africa/Monrovia")
@example(datetime(2024, 3, 1, 18, 15), FORMS[3], "Z", "Asia/Kathmandu")
def test_every_form_is_the_instant_that_iso_8601_says(moment: datetime, form: str, suffix: str, name: str) -> None:
    text = moment.strftime(form) + (suffix if "H" in form else "")
    instant = read_instant(text, zone(name))

    assert READERS[name](text) == (to_micros(instant), local_day(instant, zone(name)))
    # Once more: what is remembered says the same.
    assert READERS[name](text) == (to_micros(instant), local_day(instant, zone(name)))


@pytest.mark.parametrize("name", ZONES)
def test_every_quarter_of_an_hour_around_the_changes_of_the_clock(name: str) -> None:
    reader, tz = DateReader(name, None), zone(name)
    start = datetime(2011, 1, 1, tzinfo=UTC)

    for quarter in range(0, 366 * 96, 3):
        instant = start + timedelta(minutes=15 * quarter)
        assert reader(instant.strftime("%Y-%m-%dT%H:%M:%SZ")) == (to_micros(instant), local_day(instant, tz))


@pytest.mark.parametrize("text", ["2024-03-01T10:60", "2024-03-01T10:00:61", "2024-13-01", "2024-03-01T25", "Z", "9"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(DateFault, match="is not ISO 8601"):
        DateReader("UTC", None)(text)
