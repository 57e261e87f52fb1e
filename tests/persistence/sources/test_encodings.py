"""Encodings of text files: what is certain is read, what is doubtful is told with how it would read."""

from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.imports.sources import FileForm
from persistence.sources.csv import CsvSource
from tests.conftest import measure_memory

HEADER = "customer_id,order_id,date,amount,category"


def written(folder: Path, encoding: str, *names: str, mark: bytes = b"") -> Path:
    path = folder / "orders.csv"
    rows = [f"{name},{number},2024-03-01,10.00,{name}" for number, name in enumerate(names)]
    path.write_bytes(mark + "\n".join([HEADER, *rows, ""]).encode(encoding))
    return path


def find_names(source: CsvSource) -> list[str]:
    return [cells[0] for _, cells in source.read_rows()]


LANGUAGES = [
    ("windows-1252", "cp1252", ("Müller", "José", "François", "Zoë")),
    ("windows-1250", "cp1250", ("Dvořák", "Świętokrzyska", "Łukasz", "Jiří", "Kůň")),
    ("windows-1251", "cp1251", ("Иван Петров", "Мария", "Сергей Казанский")),
    ("shift_jis", "cp932", ("田中さん", "山田", "りんごジュース", "東京タワー")),
    ("gb18030", "gb18030", ("王小明", "李四", "张三丰", "上海市黄浦区")),
    ("big5", "big5", ("王小明", "李四", "臺北市", "信義區")),
    ("euc-kr", "cp949", ("김철수", "이영희", "서울특별시", "강남구")),
    ("windows-1253", "cp1253", ("Γιώργος", "Παπαδόπουλος", "Αθήνα")),
    ("windows-1256", "cp1256", ("محمد", "علي", "القاهرة")),
    ("windows-1252", "cp1252", ("“quoted” – dash’s",)),
]


@pytest.mark.parametrize(("name", "codec", "words"), LANGUAGES)
def test_what_a_file_may_be_is_told_with_how_it_reads_and_read_once_it_is_said(
    name: str, codec: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = written(tmp_path, codec, *words)

    with pytest.raises(InvalidInput) as refused:
        CsvSource(path)
    source = CsvSource(path, FileForm(encoding=name))

    assert refused.value.message.startswith("orders.csv is not UTF-8; it may be ")
    assert f"{name} ('{words[0].split()[0]}')" in refused.value.message
    assert refused.value.problems[0].field == ("encoding",)
    assert (find_names(source), source.encoding, source.notes) == (list(words), name, [])


@pytest.mark.parametrize(
    "told", ["cp1252", "Windows-1252", "latin1", "ISO-8859-1", "sjis", "GBK", "gb2312", "UTF8", "utf_16_le", "cp437"]
)
def test_encodings_have_many_names(told: str, tmp_path: Path) -> None:
    assert CsvSource(written(tmp_path, "ascii", "Ann"), FileForm(encoding=told)).header_line == 1


@pytest.mark.parametrize("told", ["klingon", "", "rot13", "hex", "idna", "utf-7", "unicode_escape", "a\0b", "x" * 500])
def test_an_unknown_encoding_is_refused_with_those_there_are(told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^encoding must be one of: utf-8, utf-16, .*windows-1252.*, not "):
        CsvSource(written(tmp_path, "ascii", "Ann"), FileForm(encoding=told))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_wins_over_what_is_said(encoding: str, tmp_path: Path) -> None:
    source = CsvSource(written(tmp_path, encoding, "Müller"), FileForm(encoding="windows-1252"))

    assert find_names(source) == ["Müller"]
    assert source.notes == [
        f"orders.csv begins with the mark of {encoding.removesuffix('-sig').upper()} and was read so, "
        "not as windows-1252."
    ]


def test_a_sound_utf_8_file_that_is_read_otherwise_is_told(tmp_path: Path) -> None:
    source = CsvSource(written(tmp_path, "utf-8", "Müller"), FileForm(encoding="windows-1252"))

    assert find_names(source) == ["MÃ¼ller"]
    assert source.notes == ["orders.csv would be sound UTF-8; it was read as windows-1252, as was said."]


def test_single_bad_rows_of_a_utf_8_file_are_rejected_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "utf-8", "Müller", "Zoë", "Ann")
    path.write_bytes(path.read_bytes() + b"Jos\xe9,9,2024-03-01,10.00,x\n")

    assert find_names(CsvSource(path)) == ["Müller", "Zoë", "Ann", "Jos\udce9"]


def test_what_comes_late_in_a_large_file_is_looked_at_too(tmp_path: Path) -> None:
    path = written(tmp_path, "ascii", *["Ann"] * 60_000)
    path.write_bytes(path.read_bytes() + "Müller,1,2024-03-01,10.00,Café\n".encode("cp1252") * 20_000)

    with pytest.raises(InvalidInput, match=r"it may be windows-1252 \('Müller'\)"):
        CsvSource(path)


def test_a_character_between_two_samples_is_no_doubt(tmp_path: Path) -> None:
    for shift in range(4):
        path = written(tmp_path, "utf-8", "x" * shift, *["王小明"] * 60_000)

        assert CsvSource(path).encoding == "utf-8"


def test_bytes_that_an_encoding_has_not_reject_their_row(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(HEADER.encode() + b"\nM\xfcller,1,2024-03-01,1,\x81\nZo\xeb,2,2024-03-01,1,x\n")

    (batch,) = CsvSource(path, FileForm(encoding="windows-1252")).read_batches()

    assert batch.faults == {2: "the row is not windows-1252 text: mend it, or give another encoding for the whole file"}
    assert batch.rows[1][0] == "Zoë"


@pytest.mark.slow
def test_memory_does_not_grow_with_a_file_of_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, "utf-16", *["王小明"] * 200_000)

    with measure_memory() as most:
        count = sum(len(batch.rows) for batch in CsvSource(path).read_batches())

    assert count == 200_000
    assert most[0] < 32 << 20
