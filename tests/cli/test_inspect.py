"""Files looked at before they are imported: what is proposed is imported by the command that is shown, what is doubtful
is said with its choices, and what a terminal asks is asked on a real one."""

import os
import pty
import select
import shlex
import sqlite3
import subprocess
import time
import tomllib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import MAKE, Segments, write_lines
from tests.conftest import SHARED, find_shared

ORDERS = "SELECT external_id, amount FROM purchase ORDER BY external_id"
QUALIFYING = "SELECT count(*), coalesce(sum(amount), 0) FROM purchase WHERE status IN (0, 1, 'COMPLETED', 'PARTIAL')"
STATED = ("--time-zone", "UTC", "--currency", "EUR")


def inspect(segments: Segments, file: Path, *options: str) -> Any:
    return segments.json("inspect", file, "--business", "shop", *STATED, *options)


def import_as_proposed(segments: Segments, document: Any) -> None:
    _, *words = shlex.split(document["command"])
    segments.run(*words)


def read_orders(segments: Segments) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        return store.execute(ORDERS).fetchall()


def list_doubts(document: Any) -> dict[str, list[Any]]:
    return {one["key"]: [choice["format"] for choice in one["choices"]] for one in document["doubts"]}


SHAPES: dict[str, tuple[Sequence[str], list[tuple[str, int]]]] = {
    "english": (
        (
            "Order No.,Sale Date,Buyer Email,Qty,Price,Grand Total,Order Status",
            "A1,2024-03-01,a@x.com,2,5.00,11.50,Shipped",
            "A2,2024-03-02,b@x.com,1,5.00,6.00,Cancelled",
        ),
        [("A1", 1150), ("A2", 600)],
    ),
    "german": (
        (
            "Bestellnummer;Bestelldatum;Käufer;Gesamtbetrag;Status",
            'B1;01.03.2024;Ada;"1.234,56";bezahlt',
            'B2;15.03.2024;Ben;"7,50";storniert',
        ),
        [("B1", 123456), ("B2", 750)],
    ),
    "french": (
        ("N° commande;Date de commande;Client;Montant TTC;Statut", "C1;15/03/2024;Ada;1 234,50;Payée"),
        [("C1", 123450)],
    ),
    "spanish": (("Pedido,Fecha,Cliente,Importe,Estado", "D1,2024-03-01,Ada,12.50,Pagado"), [("D1", 1250)]),
    "portuguese": (("Pedido;Data da compra;Cliente;Valor total", "E1;31/03/2024;Ada;12,50"), [("E1", 1250)]),
    "italian": (("Ordine;Data ordine;Cliente;Importo totale;Stato", "F1;31/03/2024;Ada;12,50;Pagato"), [("F1", 1250)]),
    "dutch": (("Bestelnummer;Besteldatum;Klant;Totaalbedrag", "G1;31-03-2024;Ada;12,50"), [("G1", 1250)]),
    "chinese": (("订单编号,下单时间,客户,总金额,订单状态", "H1,2024-03-01 10:00:00,张伟,12.50,已付款"), [("H1", 1250)]),
    "arabic": (
        ("رقم الطلب,تاريخ الطلب,العميل,المبلغ الإجمالي,حالة الطلب", "I1,2024-03-01,أحمد,12.50,مكتمل"),
        [("I1", 1250)],
    ),
    "sinhala": (("ඇණවුම් අංකය,දිනය,ගනුදෙනුකරු,මුදල", "J1,2024-03-01,කමල්,12.50"), [("J1", 1250)]),
    "quantity and price": (
        ("Invoice,Date,Customer,Item,Qty,Unit Price", "K1,2024-03-01,Ada,Tea,3,1.25", "K1,2024-03-01,Ada,Cup,1,2.00"),
        [("K1", 575)],
    ),
    "by values": (
        ("ref,when,who,paid", "L1,2024-03-01,a@x.com,12.50", "L2,2024-03-02,b@x.com,1.50"),
        [("L1", 1250), ("L2", 150)],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_proposed_command_imports_the_file(shape: str, segments: Segments, tmp_path: Path) -> None:
    lines, right = SHAPES[shape]
    file = write_lines(tmp_path / "orders.csv", *lines)

    document = inspect(segments, file)
    import_as_proposed(segments, document)

    found = read_orders(segments)
    assert document["refusal"] is None
    assert sorted(amount for _, amount in found) == sorted(amount for _, amount in right)
    assert len(found) == document["result"]["orders"]
    assert shape == "by values" or found == right


DOUBTFUL: dict[str, tuple[Sequence[str], str, list[Any]]] = {
    "two readings of a date": (
        ("customer_id,order_id,date,amount", "Ada,1,03/04/2024,5.00"),
        "date_format",
        [{"date_format": ["%d/%m/%Y"]}, {"date_format": ["%m/%d/%Y"]}],
    ),
    "three decimals": (
        ("customer_id,order_id,date,amount", "Ada,1,2024-03-01,16.448"),
        "amount",
        [{"round": True}, {"decimal": ",", "thousands": "."}],
    ),
    "thousands or decimals": (
        ("customer_id;order_id;date;amount", "Ada;1;2024-03-01;1,234"),
        "amount",
        [{"thousands": ","}, {"decimal": ",", "round": True}],
    ),
    "amounts of whole orders": (
        ("customer_id,order_id,date,Grand Total,product", "Ada,1,2024-03-01,9.00,Tea", "Ada,1,2024-03-01,9.00,Cup"),
        "amount_of",
        [{"amount": "order"}, {"amount": "line"}],
    ),
    "no order ids": (
        ("customer_id,date,amount", "Ada,2024-03-01 10:00,9.00", "Ada,2024-03-01 11:00,9.00"),
        "orders",
        [{"orders": "customer_instant"}, {"orders": "customer_day"}, {"orders": "row"}],
    ),
    "ids of a storefront": (
        (
            "customer_id,order_id,date,amount,storefront",
            "Ada,1,2024-03-01,9.00,north",
            "Ben,1,2024-03-02,9.00,south",
        ),
        "order_id_scope",
        [{"order_id_scope": "storefront"}, {"order_id_scope": "customer"}, {}],
    ),
    "no customers": (
        ("customer_id,order_id,date,amount", "guest,1,2024-03-01,9.00", "Ada,2,2024-03-01,9.00"),
        "guests",
        [{"guests": "reject"}, {"guests": "each"}],
    ),
    "cells of the row above": (
        ("customer_id,order_id,date,amount", "Ada,1,2024-03-01,9.00", ",,,4.00", ",,,2.00"),
        "fill_down",
        [{"fill_down": True}, {"fill_down": False}],
    ),
    "no header": (
        ("Ada,1,2024-03-01,5.00", "Ben,2,2024-03-02,7.00"),
        "columns_by_position",
        [{"columns_by_position": ["customer_id", "order_id", "purchase_date", "amount"]}, {}],
    ),
    "a refund": (
        ("customer_id,order_id,date,amount,Refund", "Ada,1,2024-03-01,9.00,4.00"),
        "columns.refunded",
        [{"columns": {"Refund": "refunded"}}, {"ignore": ["Refund"]}],
    ),
    "a discount": (
        ("customer_id,order_id,date,quantity,unit_price,Discount", "Ada,1,2024-03-01,2,9.00,4.00"),
        "amount_formula",
        [
            {"amount_formula": "quantity * unit_price - discount", "columns": {"Discount": "discount"}},
            {"amount_formula": "quantity * unit_price"},
        ],
    ),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_changes_money_or_days_is_a_doubt_with_its_choices(case: str, segments: Segments, tmp_path: Path) -> None:
    lines, key, choices = DOUBTFUL[case]
    file = write_lines(tmp_path / "orders.csv", *lines)

    document = inspect(segments, file)

    doubts = list_doubts(document)
    assert sorted(map(str, doubts[key])) == sorted(map(str, choices))
    assert document["refusal"] is None
    import_as_proposed(segments, document)
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        ((orders, amount),) = store.execute(QUALIFYING).fetchall()
    assert (orders, f"{amount / 100:.2f}") == (document["result"]["orders"], document["result"]["amount"])


def test_status_words_that_shops_mean_differently_are_proposed_with_their_counts(
    segments: Segments, tmp_path: Path
) -> None:
    rows = [f"Ada,{place},2024-03-01,9.00,{word}" for place, word in enumerate(["Closed", "closed", "Odd", "paid"])]
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount,status", *rows)

    document = inspect(segments, file)

    assert [(one["word"], one["count"], one["status"], one["certainty"]) for one in document["statuses"]] == [
        ("closed", 2, "COMPLETED", "proposed"),
        ("odd", 1, None, "doubtful"),
        ("paid", 1, "COMPLETED", "sure"),
    ]
    assert document["format"] == {"statuses": {"closed": "COMPLETED"}}
    assert {"statuses": {"closed": "REFUNDED"}} in list_doubts(document)["statuses.closed"]
    assert document["result"]["rejects"][0]["rows"] == 1


def test_dates_that_change_their_form_are_told_with_the_line(segments: Segments, tmp_path: Path) -> None:
    first = [f"Ada,a{place},{place % 28 + 1:02}/03/2024,9.00" for place in range(10_000)]
    rest = [f"Ada,b{place},03/{place % 28 + 1:02}/2024,9.00" for place in range(2_000)]
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount", *first, *rest)

    document = inspect(segments, file)

    (question,) = [one["question"] for one in document["doubts"] if one["key"] == "date_format"]
    assert document["format"]["date_format"] == ["%d/%m/%Y"]
    assert "From line 10," in question
    assert {"date_format": ["%m/%d/%Y"]} in list_doubts(document)["date_format"]
    assert document["result"]["rejects"][0]["first_line"] > 10_001


def test_amounts_of_two_currencies_are_told_by_count_and_sum(segments: Segments, tmp_path: Path) -> None:
    signs = ("€ 5.00", "€ 7.00", "$ 3.00", "$ 4.50")
    rows = [f"Ada,{place},2024-03-01,{amount}" for place, amount in enumerate(signs)]
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount", *rows)
    coded = [f"Ada,{place},2024-03-01,{one}" for place, one in enumerate(("5.00,EUR", "3.00,USD", "4.50,USD"))]
    codes = write_lines(tmp_path / "codes.csv", "customer_id,order_id,date,amount,currency", *coded)

    by_sign, by_code = inspect(segments, file), inspect(segments, codes)

    says = "2 rows of the sample in $, 7.50 in all, cannot be read in EUR: such rows are rejected."
    assert says in by_sign["findings"]
    assert "2 rows in USD, 7.50 in all, cannot be read in EUR." in by_code["findings"]
    assert (by_sign["result"]["amount"], by_code["result"]["amount"]) == ("12.00", "5.00")


def test_totals_placeholders_and_lone_refunds_are_named(segments: Segments, tmp_path: Path) -> None:
    rows = ("Ada,1,2024-03-01,5.00", "Ben,2,N/A,5.00", "Cy,3,2024-03-01,-2.00", "Total,,,8.00")
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount", *rows)

    findings = inspect(segments, file)["findings"]

    assert "Line 5 looks like a row of totals, which is no order." in findings
    assert "1 row would be rejected, the first on line 3: the date is absent." in findings
    assert "1 refund, -2.00 in all, would be of no order of the file, and not imported." in findings


def test_damaged_order_ids_are_named(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount", "Ada,1.23E+11,2024-03-01,5.00")

    findings = inspect(segments, file)["findings"]

    assert "1 order id such as 1.23E+11 lost digits to a spreadsheet. Export ids as text." in findings


def test_a_preset_that_nearly_fits_is_named_with_what_is_missing(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "orders.csv", "Name,Email,Financial Status,Created at", "#1,a@x.com,paid,2024-03-01")

    document = inspect(segments, file)

    assert document["preset"]["name"] == "shopify"
    assert (document["preset"]["score"], document["preset"]["missing"]) == (0.75, ["Total"])
    assert document["refusal"].startswith("Missing required columns: amount.")
    assert document["result"] is None


def test_a_shape_without_a_buyer_is_shown_with_why_it_is_refused(segments: Segments, tmp_path: Path) -> None:
    header = "order_id,user_id,eval_set,order_number,order_dow"
    file = write_lines(tmp_path / "orders.csv", header, "1,1,prior,1,2")

    ended = segments.run("inspect", file, *MAKE)

    assert "It cannot be imported so: This is the data set Instacart. Its orders have neither dates" in ended.out


def test_an_encoding_is_proposed_with_how_it_would_read(segments: Segments, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes("customer_id,order_id,date,amount\nMüller,1,2024-03-01,5.00\n".encode("cp1252"))

    document = inspect(segments, file)
    import_as_proposed(segments, document)

    assert {"encoding": "windows-1250"} in list_doubts(document)["encoding"]
    assert read_orders(segments) == [("1", 500)]


def test_the_format_as_toml_says_what_the_command_says(segments: Segments, tmp_path: Path) -> None:
    lines, _ = SHAPES["german"]
    file = write_lines(tmp_path / "orders.csv", *lines)

    ended = segments.run("inspect", file, *MAKE, "--format", "toml")

    assert tomllib.loads(ended.out) == inspect(segments, file)["format"]


def test_no_business_is_needed_and_what_is_assumed_is_said(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount", "Ada,1,2024-03-01,£5.00")

    document = segments.json("inspect", file)
    refusal = segments.expect_refusal("inspect", tmp_path / "none.csv")

    assert document["assumed"] == ["business", "time_zone", "currency"]
    assert document["amounts"]["currency"] == "GBP"
    assert shlex.split(document["command"])[3:5] == ["--business", "my-shop"]
    assert refusal == f"No such file: {tmp_path}/none.csv."


def test_an_import_that_is_refused_shows_the_table_and_the_command(segments: Segments, tmp_path: Path) -> None:
    lines, right = SHAPES["german"]
    file = write_lines(tmp_path / "orders.csv", *lines)

    ended = segments("import", file, *MAKE)

    first, *rest = ended.err.splitlines()
    assert (ended.code, ended.out) == (1, "")
    assert first.startswith("Error: Missing required columns: customer_id")
    (command,) = [line.strip() for line in rest if line.startswith("  segments import")]
    segments.run(*shlex.split(command)[1:])
    assert read_orders(segments) == right


def test_a_pipe_is_received_as_a_file_and_removed(segments: Segments, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    text = "customer_id,order_id,date,amount\n" + "".join(f"Ada,{place},2024-03-01,1.00\n" for place in range(5_000))
    how = segments.apart("import", "-", *MAKE, stdin=subprocess.PIPE, env=segments.environment(TMPDIR=str(folder)))

    with subprocess.Popen(**how) as process:
        out, err = process.communicate(text, timeout=60)

    assert process.returncode == 0, err
    assert out.splitlines()[0] == (
        "standard-input: 5,000 rows read: 5,000 created, 0 updated, 0 unchanged, 0 rejected."
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("row", ["Ada,1,03/04/2024,1.00", 'Ada,1,2024-03-01,"1.234,50"'], ids=["date", "amount"])
def test_the_command_for_a_pipe_reads_the_pipe(row: str, segments: Segments) -> None:
    text = f"customer_id,order_id,date,amount\n{row}\n"

    refused = subprocess.run(**segments.apart("import", "-", *MAKE, stdin=None), input=text, timeout=60, check=False)
    _, *words = shlex.split(refused.stderr.splitlines()[-1])
    told = subprocess.run(**segments.apart(*words, stdin=None), input=text, timeout=60, check=False)

    assert (refused.returncode, words[:2]) == (1, ["import", "-"])
    assert told.stdout.splitlines()[0] == ("standard-input: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected.")


def talk(segments: Segments, arguments: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """What a command says on a terminal where each question is answered."""
    ours, theirs = pty.openpty()
    how = segments.apart(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=segments.environment(TERM="dumb"))
    process = subprocess.Popen(**{**how, "encoding": None})
    os.close(theirs)
    said, waiting, ends = "", list(answers), time.monotonic() + 60
    while time.monotonic() < ends:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if not ready:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece.decode()
        if waiting and waiting[0][0] in said:
            question, answer = waiting.pop(0)
            said = said.replace(question, question.upper(), 1)
            os.write(ours, f"{answer}\n".encode())
    os.close(ours)
    return process.wait(60), said


def test_a_terminal_is_asked_what_is_doubtful_and_the_answers_count(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "orders.csv", "customer,order_id,Sale Date,amount", "Ada,1,03/04/2024,5.00")
    answers = [("Choice", "2"), ("Import it so?", "y"), ("Keep this", "shopify"), ("Keep this", "till")]

    code, said = talk(segments, ["import", str(file), *MAKE], answers)

    assert code == 0, said
    assert "'03/04/2024' is 3 April 2024" in said
    assert "name must not be that of a preset" in said
    assert tomllib.loads(segments.run("formats", "show", "till").out) == {
        "columns": {"Sale Date": "purchase_date"},
        "date_format": ["%m/%d/%Y"],
    }
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        ((at,),) = store.execute("SELECT purchased_at FROM purchase").fetchall()
    assert at == 1_709_510_400_000_000


def test_a_terminal_may_leave_a_word_without_a_meaning(segments: Segments, tmp_path: Path) -> None:
    rows = ("Ada,1,2024-03-01,5.00,closed", "Ben,2,2024-03-01,7.00,paid")
    file = write_lines(tmp_path / "orders.csv", "customer,order_id,Sale Date,amount,status", *rows)
    answers = [("Choice", "6"), ("Import it so?", "y"), ("Keep this", "")]

    code, said = talk(segments, ["import", str(file), *MAKE], answers)

    assert (code, read_orders(segments)) == (0, [("2", 700)]), said
    assert "unknown status 'closed'" in said


def test_a_terminal_may_say_no_or_be_asked_nothing(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "orders.csv", "customer,order_id,Sale Date,amount", "Ada,1,2024-03-01,5.00")

    declined = talk(segments, ["import", str(file), *MAKE], [("Import it so?", "n")])
    silent = talk(segments, ["import", str(file), *MAKE, "--no-input"], [])

    for code, said in (declined, silent):
        assert code == 1
        assert "Error: Missing required columns: purchase_date." in said
    assert "Import it so?" not in silent[1]


@pytest.mark.parametrize("name", sorted(path.name for path in SHARED.glob("cases/imports/f*") if path.suffix != ".txt"))
def test_files_that_were_once_read_wrongly_are_imported_as_proposed_or_refused_with_a_reason(
    name: str, segments: Segments
) -> None:
    document = segments.json("inspect", find_shared("cases", "imports", name))

    if document["refusal"] is None:
        import_as_proposed(segments, document)
        assert len(read_orders(segments)) == document["result"]["orders"]
    else:
        assert document["refusal"].startswith("Missing required columns: ")
        assert "It looks like a file of customers: segments import-customers reads those." in document["findings"]
