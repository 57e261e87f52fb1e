"""What is counted while a source is read, beyond memory."""

from persistence.sources.spill import CountedRows


def test_equal_rows_are_counted_over_all_batches() -> None:
    counted = CountedRows()

    assert counted.count(["a\x1f1", "b\x1f1", "a\x1f1"]) == [0, 0, 1]
    assert counted.count(["a\x1f1", "a\x1f2"]) == [2, 0]
