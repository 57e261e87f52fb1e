"""The PDF of a report says what the document says, all of it, in whole pages: read back from the file."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pypdfium2
import pytest

from domain.classification.groups import VALUES, Method
from domain.reports.brand import COLOURS, VERDICTS, judge_change
from domain.reports.document import DocumentGroup, ReportDocument
from domain.reports.figures import choose_decimals, format_amount, format_change
from persistence.exports import pdf
from persistence.exports.pdf import load_font_book, render_report_pdf
from persistence.exports.pdf_content import build_content
from tests.drivers.pdf_reading import drop_spaces, overlaps, shown, whole_text
from tests.shops.report_documents import (
    EIGHT_ROWS,
    GENERATED,
    SENTENCES,
    categories,
    cells,
    document,
    eight_segments,
    group,
    trended,
)

LEFT, RIGHT, FOOT, TOP = 41.0, 554.5, 20.0, 822.0
MANY = tuple(f"Category {place}" for place in range(300))
LONG = ("W" * 200, " ".join(["sustainable"] * 17)[:200], "x", "Ünï " * 50)


def table_row(row: DocumentGroup, made: ReportDocument) -> str:
    assert row.change is not None and row.previous_customers is not None
    assert row.average_age is not None and row.average_frequency is not None
    groups, totals = made.dimensions[row.dimension], made.totals
    names = {"revenue": totals.revenue, "average_order": totals.average_order, "average_spend": totals.average_spend}
    amounts = [
        format_amount(getattr(row, name), choose_decimals([total, *(getattr(each, name) for each in groups)], 2))
        for name, total in names.items()
    ]
    return drop_spaces(
        f"{row.customers:,} {row.customer_share * 100:.1f} % {row.previous_customers:,} "
        f"{format_change(row.change)} {VERDICTS.get(judge_change(row.meaning, row.change), '')} "
        f"{amounts[0]} {row.revenue_share * 100:.1f} % {amounts[1]} {amounts[2]} "
        f"{row.average_age:,.1f} {row.average_frequency:,.2f}"
    )


def nobody() -> ReportDocument:
    nothing = (0, None, 0, 0, 0)
    rows = tuple(group(each.name, nothing, (0, 0)) for each in eight_segments().groups)
    return document(rows, cells=(), sentences=("No customer bought in this window, so there is nothing to compare.",))


def one_customer() -> ReportDocument:
    first, *others = (each.name for each in eight_segments().groups)
    figures = {first: (1, 0, 1, 1_250, 3)} | dict.fromkeys(others, (0, 0, 0, 0, 0))
    rows = tuple(group(name, row, (1, 1_250)) for name, row in figures.items())
    return document(rows, days=1)


def huge() -> ReportDocument:
    figures = (987_654_321, 123_456_789, 9_876_543_210, 9_223_372_036_854_775_807, 10**12)
    rows = tuple(group(f"Group {place}", figures, (figures[0] * 3, figures[3] * 3)) for place in range(3))
    return document(rows, cells=cells(lambda r, f: 987_654_321))


DOCUMENTS: dict[str, Callable[[], ReportDocument]] = {
    "eight segments": eight_segments,
    "nobody": nobody,
    "one customer": one_customer,
    "300 categories": lambda: categories(MANY),
    "names of 200 characters": lambda: categories(LONG, business="Kaufhaus " * 30, storefront="Filiale " * 20),
    "largest amounts": huge,
    "no window before": lambda: eight_segments(previous_first=None, previous_last=None, previous=None),
}


@pytest.fixture(params=["the machine's fonts", "none but the typesetter's"])
def fonts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The result must not hang on what is installed."""
    if request.param != "the machine's fonts":
        monkeypatch.setattr(pdf, "SYSTEM", ())
    load_font_book.cache_clear()
    yield
    load_font_book.cache_clear()


@pytest.mark.usefixtures("fonts")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_text_overlaps_or_leaves_the_page(name: str) -> None:
    for page in shown(render_report_pdf(DOCUMENTS[name]())):
        assert page.boxes
        assert overlaps(page.boxes) == []
        assert [box for box in page.boxes if box[0] < LEFT or box[2] > RIGHT or box[1] < FOOT or box[3] > TOP] == []


@pytest.mark.usefixtures("fonts")
@pytest.mark.parametrize("name", ["eight segments", "by value", "by behaviour", "one customer"])
def test_no_page_has_a_quarter_that_is_blank_and_each_says_which_it_is(name: str) -> None:
    usual = {"by value": by_value, "by behaviour": lambda: categories(("Books", "Games", "Garden", "Shoes", "Mixed"))}
    made = trended({**DOCUMENTS, **usual}[name]())

    pages = shown(render_report_pdf(made))

    height, margin, foot = 842.0, 42.0, 36.0
    lowest = [min(bottom for _, bottom, _, _ in page.boxes if bottom > foot) for page in pages]
    assert [round(each) for each in lowest if each - margin > height / 4] == []
    told = [drop_spaces(f"Page {place} of {len(pages)}") for place in range(1, len(pages) + 1)]
    assert [each for each, page in zip(told, pages, strict=True) if each not in drop_spaces(page.text)] == []


def by_value() -> ReportDocument:
    figures = ((100, 90, 700, 6_000_000, 900), (300, 310, 600, 2_600_000, 9_000), (100, 80, 110, 400_000, 4_000))
    rows = [
        replace(
            group(kind.name, row, (500, 9_000_000), dimension="value", code=kind.code, actions=kind.actions),
            description=kind.description,
            profile=kind.profile,
            meaning=kind.meaning,
        )
        for kind, row in zip(VALUES, figures, strict=True)
    ]
    # Two sentences, as such a report has: little of the first page is left below them.
    return document(tuple(rows), method=Method.VALUE, sentences=SENTENCES[:2])


def test_the_trend_is_a_chart_and_a_table_of_every_group() -> None:
    made = trended(eight_segments())
    assert made.trend is not None

    text = whole_text(render_report_pdf(made))

    assert drop_spaces("Trend Each point is the 90 days up to the day below it; the latest is this report.") in text
    for title in ("Customers by window: RFM segments", "Revenue, EUR by window: RFM segments"):
        table = text.partition(drop_spaces(title))[2]
        assert table.startswith(drop_spaces("Group 28 Oct 2025 28 Nov 2025 28 Dec 2025"))
        for one in made.trend.series:
            figures = one.customers if title.startswith("Customers") else [f"{each:,.0f}" for each in one.revenue]
            assert drop_spaces(f"{one.name} {' '.join(map(str, figures))}") in table, one.name


def test_what_is_worse_is_striped_and_what_is_better_is_not() -> None:
    made = eight_segments()

    (chart,) = build_content(made)["charts"]

    verdicts = {bar["name"]: bar["verdict"] for bar in chart["bars"]}
    assert {name for name, verdict in verdicts.items() if verdict == "bad"} == {"Loyal Customers", "At Risk"}
    assert {name for name, verdict in verdicts.items() if verdict == "neutral"} == {"Promising", "Unclassified"}
    picture = pypdfium2.PdfDocument(render_report_pdf(made))[0].render(scale=3).to_pil()
    colours = {colour[:3] for _, colour in picture.getcolors(1 << 24)}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in COLOURS.values() if colour != "#966400"} <= colours


def test_all_names_numbers_and_actions_of_the_document_are_there() -> None:
    made = eight_segments()

    text = whole_text(render_report_pdf(made))

    for row in made.rows:
        assert table_row(row, made) in text, row.name
        for said in (row.name, *row.actions):
            assert drop_spaces(said) in text, said
    assert drop_spaces("124 12.4 % 118 +6 better 148,204 42.0 % 132.80 1,195.20 8.0 9.00") in text
    assert drop_spaces("88 8.8 % 61 +27 worse 27,455") in text
    assert drop_spaces("All customers 1,000 100.0 % 939 +61 better 353,213 100.0 % 107.39 353.21 3.29") in text


def test_the_headline_figures_stand_beside_those_of_the_window_before() -> None:
    text = whole_text(render_report_pdf(eight_segments()))

    for figure in (
        "Customers 1,000 +61 (+6.5 %) before: 939",
        "Revenue 353,213 +19,112 (+5.7 %) before: 334,101",
        "Orders 3,289 +97 (+3.0 %) before: 3,192",
        "Average order 107.39 +2.72 (+2.6 %) before: 104.67",
        "Spend per customer 353.21 −2.60 (−0.7 %) before: 355.81",
    ):
        assert drop_spaces(figure) in text


def test_the_head_names_business_window_and_time_zone() -> None:
    first = shown(render_report_pdf(eight_segments(storefront="Hauptstraße")))[0].text

    assert first.startswith(drop_spaces("Page 1 of 2 Brückner & Söhne Customer segmentation, RFM, eight segments"))
    assert drop_spaces("1 July 2026 to 28 September 2026 (90 days) · time zone Europe/Berlin") in first
    assert drop_spaces("storefront Hauptstraße · amounts in EUR") in first
    assert drop_spaces("Compared with the window before: 2 April 2026 to 30 June 2026") in first


def test_insights_are_sentences_with_their_numbers() -> None:
    first = shown(render_report_pdf(eight_segments()))[0].text

    for sentence in SENTENCES:
        assert drop_spaces(sentence) in first


def test_the_heat_map_shows_every_cell() -> None:
    made = eight_segments()
    assert made.matrix is not None

    first = shown(render_report_pdf(made))[0].text

    for recency in range(5, 0, -1):
        row = " ".join(str(customers) for customers in made.matrix[recency - 1])
        assert drop_spaces(f"Recency {recency} {row}") in first


def test_every_page_says_whose_report_it_is_and_which_page() -> None:
    pages = shown(render_report_pdf(trended(eight_segments())))

    assert len(pages) == 3
    for place, page in enumerate(pages, 1):
        assert drop_spaces(f"Page {place} of 3") in page.text
        assert drop_spaces("Generated 28 September 2026, 14:05:33 (Europe/Berlin)") in page.text
    window = "1 July 2026 to 28 September 2026 (90 days)"
    for page in pages[1:]:
        running = f"Brückner & Söhne · Customer segmentation, RFM, eight segments · {window}"
        assert page.text.startswith(drop_spaces(running))


def test_the_same_document_gives_the_same_bytes() -> None:
    made = eight_segments()

    assert render_report_pdf(made) == render_report_pdf(replace(made))
    assert render_report_pdf(made) != render_report_pdf(replace(made, generated_at=GENERATED + timedelta(seconds=1)))


def test_a_report_that_a_manager_reads_has_three_pages_at_most() -> None:
    usual = categories(("Books", "Games", "Garden", "Shoes", "Mixed"))

    assert [len(shown(render_report_pdf(made))) for made in (eight_segments(), usual, nobody())] == [2, 2, 1]


def test_currencies_without_decimals_have_none() -> None:
    both = zip(eight_segments().groups, EIGHT_ROWS, strict=True)
    rows = tuple(group(each.name, row, (953, 34_301_005), decimals=0) for each, row in both)

    text = whole_text(render_report_pdf(document(rows, currency="JPY", decimals=0)))

    assert drop_spaces("Revenue 34,301,005") in text
    assert drop_spaces("14,820,450 43.2 % 13,280 119,520 8.0") in text


def test_an_empty_report_says_so() -> None:
    text = whole_text(render_report_pdf(nobody()))

    assert drop_spaces("No customer bought in this window, so there is nothing to compare.") in text
    assert drop_spaces("Customers 0") in text
    assert drop_spaces("0 0.0 % – – 0.00 0.0 % – – – –") in text


def test_charts_group_the_long_tail_and_the_table_never() -> None:
    made = categories(MANY)

    text = whole_text(render_report_pdf(made))

    assert drop_spaces("Other (289)") in text
    for row in made.groups:
        assert drop_spaces(row.name) + table_row(row, made) in text
    assert drop_spaces("for 288 more groups of the table Category preference.") in text


@pytest.mark.parametrize(("count", "left_out"), [(12, 0), (13, 0), (18, 0), (19, 7)])
def test_actions_of_some_groups_are_left_out_only_where_it_saves_rows(count: int, left_out: int) -> None:
    made = categories(MANY[:count])

    text = whole_text(render_report_pdf(made))

    cards = [f"Show what is new in {group.name}" for group in made.groups if group.dimension == "category"]
    assert [drop_spaces(f"{card} Recommend") in text for card in cards] == [
        place < count - left_out for place in range(count)
    ]
    assert (drop_spaces("The same holds") in text) == (left_out > 0)
    assert drop_spaces(f"for {left_out} more groups of the table") in text or not left_out


def test_a_long_name_stands_in_full_in_the_table() -> None:
    made = categories(LONG)

    text = whole_text(render_report_pdf(made))

    for row in made.groups[: len(LONG)]:
        assert drop_spaces(row.name) + table_row(row, made) in text


def test_groups_that_were_asked_for_stand_beside_the_figures_of_all() -> None:
    made = eight_segments()
    asked = replace(made, groups=(made.groups[1],), filtered=True, cells=None)

    text = whole_text(render_report_pdf(asked))

    assert drop_spaces("Only the groups that were asked for are listed") in text
    assert drop_spaces("Customers 1,000") in text
    assert table_row(made.groups[1], made) in text
    assert drop_spaces("All customers") not in text


def test_without_a_window_before_nothing_is_compared() -> None:
    made = eight_segments(previous_first=None, previous_last=None, previous=None)
    rows = tuple(replace(row, previous_customers=None) for row in made.groups)

    text = whole_text(render_report_pdf(replace(made, groups=rows, unclassified=None)))

    assert drop_spaces("There is no window before it.") in text
    assert drop_spaces("Against the window before") not in text
    assert drop_spaces("124 12.4 % – – 148,204") in text
    assert text.count(drop_spaces("no purchases in the window before")) == 5


def test_large_amounts_have_no_decimals_and_lose_no_digit_before_the_point() -> None:
    made = huge()

    text = whole_text(render_report_pdf(made))

    assert "92,233,720,368,547,758" in text
    assert f"{round(Decimal('92233720368547758.07') * 3):,}" in text
    assert "758.07" not in text


def test_dimensions_stand_in_their_order_whatever_they_sold() -> None:
    made = categories(("Books", "Games"))
    backwards = replace(made, groups=made.groups[::-1])

    text = whole_text(render_report_pdf(backwards))

    titles = ("Category preference", "Channel", "Season")
    places = [text.index(drop_spaces(f"{title} in figures")) for title in titles]
    assert places == sorted(places)


def test_text_over_text_is_found() -> None:
    line, comma = (100.0, 10.0, 142.0, 18.0), (141.2, 9.0, 142.4, 11.0)

    assert overlaps([line, comma]) == []
    assert overlaps([comma, line]) == [(line, comma)]
    assert overlaps([line, (139.0, 10.0, 180.0, 18.0)]) == [(line, (139.0, 10.0, 180.0, 18.0))]
    assert overlaps([line, (100.0, 16.0, 142.0, 24.0)]) == [(line, (100.0, 16.0, 142.0, 24.0))]
