"""Numbers and days are written in the digits 0 to 9. Python's own conversions take those of every script, so whatever
reads a number or a day out of a text is tried here with others."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from domain.attributes import read_number
from domain.businesses.setting_types import amount, read_percentage
from domain.calendar import check, read_instant
from domain.classification.festive import read_periods
from domain.errors import InvalidInput
from domain.imports.amounts import AmountForm, make_amount_reader, make_number_reader
from domain.imports.dates import DateForm, DateReader, find_readings, read_zoned
from domain.imports.formats import SourceFormat
from domain.json_text import read_json
from domain.money import parse_minor
from gql.parameters import read_date, read_days
from gql.settings import Settings

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
UTC = ZoneInfo("UTC")
EURO = AmountForm.of(",", ".", "€")
READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "a number of JSON": (read_json, "12"),
    "money": (lambda text: parse_minor(text, 2), "12.50"),
    "an amount of a file": (make_amount_reader(2, AmountForm()), "12.50"),
    "an amount with a sign": (make_amount_reader(2, EURO), "1.234,50 €"),
    "a quantity": (make_number_reader(AmountForm()), "12.5"),
    "a number with an exponent": (make_number_reader(AmountForm()), "1e+05"),
    "an attribute": (read_number, "12.5"),
    "an amount of the settings": (lambda text: amount().read(text, 2), "12.50"),
    "a percentage": (lambda text: read_percentage(text, 2), "0.7"),
    "a festive period": (lambda text: read_periods([{"from": text, "to": "12-31"}]), "12-01"),
    "a dated festive period": (lambda text: read_periods([{"from": text, "to": "2024-12-31"}]), "2024-12-01"),
    "a schedule": (check, "15 2 * * *"),
    "an instant": (lambda text: read_instant(text, UTC), "2024-03-01T09:30:00Z"),
    "an instant of a file": (DateReader("UTC", None), "2024-03-01 09:30:05.250"),
    "a day of a file": (DateReader("UTC", None), "2024-03-01"),
    "an instant with a zone": (lambda text: read_zoned(text, UTC), "2024-03-01 09:30:00 Europe/Berlin"),
    "a day of a form": (DateForm("%d/%m/%Y"), "01/03/2024"),
    "a day with a word": (DateForm("%Y年%m月%d日"), "2024年03月01日"),
    "an instant of a form with a zone": (DateForm("%d/%m/%Y %H:%M %Z"), "01/03/2024 09:30 UTC"),
    "a day number": (DateForm("excel"), "45352"),
    "a date of a report": (read_date, "2024-03-01"),
    "the days of a report": (read_days, "90"),
    "a number of a format": (lambda text: SourceFormat.read_options({"skip_lines": [text]}), "2"),
    "a setting of the process": (lambda text: Settings.from_environment({"PORT": text}), "8000"),
}


@pytest.mark.parametrize("digits", [ARABIC, FULL_WIDTH], ids=["Arabic", "full width"])
@pytest.mark.parametrize(("read", "text"), READERS.values(), ids=READERS)
def test_n1_a_text_is_read_in_the_digits_0_to_9_only(
    read: Callable[[str], object], text: str, digits: dict[int, int]
) -> None:
    read(text)

    for place, letter in enumerate(text):
        if letter.isdigit():
            with pytest.raises((ValueError, InvalidInput)):
                read(text[:place] + letter.translate(digits) + text[place + 1 :])
    with pytest.raises((ValueError, InvalidInput)):
        read(text.translate(digits))


def test_no_form_is_proposed_for_a_date_in_other_digits() -> None:
    assert find_readings("01 March 2024")
    assert find_readings("01 March 2024".translate(ARABIC)) == {}
    assert find_readings("13/03/2024".translate(ARABIC)) == {}
