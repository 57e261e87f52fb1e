"""Instants of a file: the quick way and the full way say the same, in every zone and at every change of its clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.calendar import load_zone, read_instant, to_local_day, to_micros
from domain.imports import dates
from domain.imports.dates import DateFault, DateForm, DateReader, find_readings

ZONES = [
    "UTC", "Asia/Colombo", "Asia/Kathmandu", "Europe/London", "America/New_York", "America/Sao_Paulo",
    "Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia",
]  # fmt: skip
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
    instant = read_instant(text, load_zone(name))

    assert READERS[name](text) == (to_micros(instant), to_local_day(instant, load_zone(name)))
    # Once more: what is remembered says the same.
    assert READERS[name](text) == (to_micros(instant), to_local_day(instant, load_zone(name)))


@pytest.mark.parametrize("name", ZONES)
def test_every_quarter_of_an_hour_around_the_changes_of_the_clock(name: str) -> None:
    reader, tz = DateReader(name, None), load_zone(name)
    start = datetime(2011, 1, 1, tzinfo=UTC)

    for quarter in range(0, 366 * 96, 3):
        instant = start + timedelta(minutes=15 * quarter)
        assert reader(instant.strftime("%Y-%m-%dT%H:%M:%SZ")) == (to_micros(instant), to_local_day(instant, tz))


@pytest.mark.parametrize("text", ["2024-03-01T10:60", "2024-03-01T10:00:61", "2024-13-01", "2024-03-01T25", "Z", "9"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(DateFault, match="is not ISO 8601"):
        DateReader("UTC", None)(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("03/04/2024", "may be 3 April 2024 (date_format '%d/%m/%Y') or 4 March 2024 (date_format '%m/%d/%Y')"),
        ("31/03/2024", "is not ISO 8601 (or give date_format '%d/%m/%Y')"),
        ("3/31/2024 9:30", "is not ISO 8601 (or give date_format '%m/%d/%Y %H:%M')"),
        ("03.03.2024", "is not ISO 8601 (or give date_format '%d.%m.%Y' or '%m.%d.%Y')"),
        ("31-12-2024 09:30:00", "is not ISO 8601 (or give date_format '%d-%m-%Y %H:%M:%S')"),
        ("2024/03/04", "is not ISO 8601 (or give date_format '%Y/%m/%d')"),
        ("13/01/2024 9:30 PM", "is not ISO 8601 (or give date_format '%d/%m/%Y %I:%M %p')"),
        ("31.12.99", "is not ISO 8601 (or give date_format '%d.%m.%y')"),
        (
            "01/02/03",
            "may be 1 February 2003 (date_format '%d/%m/%y') or 2 January 2003 (date_format '%m/%d/%y') or "
            "3 February 2001 (date_format '%y/%m/%d')",
        ),
        ("45/45/2024", "is not ISO 8601 (or give date_format)"),
    ],
)
def test_a_date_of_another_form_is_never_guessed_and_its_readings_are_shown(text: str, reason: str) -> None:
    with pytest.raises(DateFault) as refused:
        DateReader("UTC", None)(text)

    assert str(refused.value) == f"the date '{text}' {reason}"


@pytest.mark.parametrize("text", ["03/04/2024", "03/04/2024 09:30", "3.4.24", "2024/04/03", "13/01/2024 9:30 PM"])
def test_every_form_that_is_proposed_reads_the_date(text: str) -> None:
    for form, day in find_readings(text).items():
        at, number = DateReader("UTC", form)(text)

        assert number == day.toordinal()
        assert datetime.fromtimestamp(at / 1e6, UTC).date() == day


def test_dates_of_a_typed_source_are_iso_8601_whatever_form_its_texts_have() -> None:
    typed = DateReader("UTC", "%d/%m/%Y", typed=True)

    assert typed("2024-03-04T00:00:00") == typed("04/03/2024")
    with pytest.raises(DateFault, match="is not %d/%m/%Y"):
        typed("2024-03-04")
    with pytest.raises(DateFault, match="is not %d/%m/%Y"):
        DateReader("UTC", "%d/%m/%Y")("2024-03-04T00:00:00")


@pytest.mark.parametrize(
    ("text", "form"),
    [("1 March 2024", "%d %B %Y"), ("03-Apr-2024", "%d-%b-%Y"), ("Mar 1, 2024", "%b %d, %Y"), ("20240301", "%Y%m%d")],
)
def test_a_form_without_doubt_is_proposed(text: str, form: str) -> None:
    assert list(find_readings(text)) == [form]


@pytest.mark.parametrize("form", dates.NAMED)
def test_a_day_of_every_month_is_read_in_every_named_form(form: str) -> None:
    days = [datetime(2024, month, day, 9, 5, tzinfo=UTC) for month in range(1, 13) for day in (1, 28)]

    for text in (day.strftime(form) for day in days):
        assert set(find_readings(text).values()) == {datetime.strptime(text, form).date()}


def test_a_text_without_a_month_is_not_tried_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of a file may be wrong, and all forms take longer than the rest of a row."""
    monkeypatch.setattr(dates, "datetime", None)

    assert find_readings("never or not at all") == {}


COLOMBO = load_zone("Asia/Colombo")
NIGHT = datetime(2024, 3, 1, 22, 30, tzinfo=UTC)
"""Which is 04:00 on 2 March in Colombo."""


NAMED: dict[str | None, list[str]] = {
    "%Y-%m-%dT%H:%M:%SZ": ["2024-03-01T22:30:00Z"],
    "%Y-%m-%dT%H:%M:%S.%fZ": ["2024-03-01T22:30:00.000Z"],
    "%Y-%m-%d %H:%M:%S UTC": ["2024-03-01 22:30:00 UTC"],
    "%d/%m/%Y %H:%M utc": ["01/03/2024 22:30 utc"],
    "%d.%m.%Y %H:%M (GMT)": ["01.03.2024 22:30 (GMT)"],
    "UTC %d %b %Y %I:%M %p": ["UTC 01 Mar 2024 10:30 PM"],
    "%Y%m%d%H%MZ": ["202403012230Z"],
    "%d/%m/%Y %H:%M %Z": ["01/03/2024 22:30 UTC", "01/03/2024 22:30 Z", "01/03/2024 23:30 Europe/Berlin"],
    "%Z %d/%m/%Y %H:%M": ["America/New_York 01/03/2024 17:30"],
    "%d/%m/%Y %H:%M%Z": ["01/03/2024 22:30Z"],
    "%d/%m/%Y %H:%M Europe/Berlin": ["01/03/2024 23:30 Europe/Berlin"],
    "%d/%m/%Y %H:%M %z": ["02/03/2024 00:30 +0200"],
    "%d/%m/%Y %H:%M UTC%z": ["02/03/2024 00:30 UTC+02:00"],
    "%d/%m/%Y %H:%M": ["02/03/2024 04:00"],
    "%d/%m/%Y Zeit %H:%M": ["02/03/2024 Zeit 04:00"],
    None: [
        "2024-03-01 22:30:00 UTC", "2024-03-01 22:30 Z", "2024-03-01T22:30:00 GMT", "2024-03-01 22:30:00UTC",
        "2024-03-01 23:30:00 Europe/Berlin", "2024-03-01 17:30:00 America/New_York", "2024-03-01 17:30:00 -0500",
        "2024-03-02 00:30:00 +02:00", "2024-03-02 00:30:00 +02", "2024-03-02 00:30:00 UTC+02:00",
        "2024-03-01T23:30:00+01:00[Europe/Berlin]", "2024-03-02 04:00:00",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("form", "text"), [(form, text) for form, texts in NAMED.items() for text in texts])
def test_the_zone_that_a_form_or_a_cell_names_is_honoured(form: str | None, text: str) -> None:
    assert DateReader("Asia/Colombo", form)(text) == (to_micros(NIGHT), to_local_day(NIGHT, COLOMBO))


@pytest.mark.parametrize(
    ("form", "text", "fault"),
    [
        ("%d/%m/%Y %H:%M UTC", "01/03/2024 22:30", "is not %d/%m/%Y %H:%M UTC"),
        ("%d/%m/%Y %H:%M %Z", "01/03/2024 22:30", "with a zone such as UTC or Europe/Berlin"),
        ("%d/%m/%Y %H:%M %Z", "01/03/2024 22:30 EST", "with a zone such as UTC or Europe/Berlin"),
        (None, "2024-03-01 22:30:00 EST", "is not ISO 8601"),
        (None, "2024-03-01 22:30:00 Europe/Nowhere", "is not ISO 8601"),
        (None, "2024-03-01 22:30:00 Europe/Berlin+02:00", "is not ISO 8601"),
        (None, "2024-03-01 UTC", "is not ISO 8601"),
    ],
)
def test_a_zone_that_nobody_can_know_is_refused(form: str | None, text: str, fault: str) -> None:
    with pytest.raises(DateFault) as refused:
        DateReader("Asia/Colombo", form)(text)

    assert fault in str(refused.value)


@pytest.mark.parametrize(
    "form", ["%d/%m/%Y %H:%M %Z", "%d/%m/%Y %H:%M %z", "%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y Asia/Colombo"]
)
def test_forms_with_a_zone_name_a_day(form: str) -> None:
    assert DateForm(form).form == form


LACKING = "must name year, month and day, such as %d/%m/%Y: it lacks the "


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("%H:%M %Z", f"{LACKING}year and the month and the day"),
        ("%d/%m", f"{LACKING}year"),
        ("", f"{LACKING}year and the month and the day"),
        ("%Y-%m-%d %Q", "has no directive %Q: there are %a"),
        ("%F", "has no directive %F"),
        ("%d/%m/%Y %H:%M %p", "must have %I with %p: %H is the hour of 24"),
        ("%d/%m/%Y %I:%M", "must have %p with %I, or %H for the hour of 24"),
        ("%d/%d/%Y %m", "must hold %d once"),
    ],
)
def test_forms_that_name_no_day_are_refused_with_the_reason(form: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        DateForm(form)

    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("excel", "45352.9375"),
        ("excel1904", "43890.9375"),
        ("epoch", "1709332200"),
        ("epoch", "1709332200.0"),
        ("epoch_ms", "1709332200000"),
    ],
)
def test_dates_that_are_numbers_are_read_when_they_are_told(form: str, text: str) -> None:
    assert DateReader("UTC", form)(text) == (to_micros(NIGHT), 738946)
    for wrong in ("-5", "1e9", "next week", ""):
        with pytest.raises(DateFault):
            DateReader("UTC", form)(wrong)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("45352", "looks like a day number of Excel, 1 March 2024 (give date_format excel)"),
        ("1709251200", "looks like seconds since 1970, 1 March 2024 (give date_format epoch)"),
        ("1709251200000", "looks like milliseconds since 1970, 1 March 2024 (give date_format epoch_ms)"),
        ("Mar 1, 2024, 9:30:12 AM", "is not ISO 8601 (or give date_format '%b %d, %Y, %I:%M:%S %p')"),
        ("Jul-25-26", "is not ISO 8601 (or give date_format '%b-%d-%y')"),
    ],
)
def test_what_a_date_may_be_is_named(text: str, hint: str) -> None:
    with pytest.raises(DateFault) as refused:
        DateReader("UTC", None)(text)

    assert str(refused.value) == f"the date {text!r} {hint}"


def test_a_time_without_a_zone_is_of_the_file_s_zone_and_a_day_is_the_business_s() -> None:
    reader = DateReader("Asia/Colombo", None, file_zone="America/New_York")

    assert reader("2024-03-01 17:30:00") == (to_micros(NIGHT), 738947)
    assert reader("2024-03-01T22:30:00Z") == (to_micros(NIGHT), 738947)
    assert reader("2024-03-01")[1] == 738946
    formed = DateReader("Asia/Colombo", ["%d/%m/%Y %H:%M", "%d/%m/%Y"], file_zone="America/New_York")
    assert formed("01/03/2024 17:30") == (to_micros(NIGHT), 738947)
    assert formed("01/03/2024")[1] == 738946


def test_words_for_zones_are_those_that_a_format_knows() -> None:
    reader = DateReader("Asia/Colombo", "%d/%m/%Y %H:%M %Z", zones={"EST": "America/New_York"})

    assert reader("01/03/2024 17:30 EST") == (to_micros(NIGHT), 738947)
