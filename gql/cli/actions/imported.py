"""What became of the rows of an import, in words and as JSON: counts that add up to what was read, what is doubtful
about them, and the rejected rows as a file that can be mended and imported."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from domain.errors import InvalidInput, name_fields, to_option_name
from domain.imports.columns import REJECT_COLUMNS, count_noun
from domain.imports.model import ANOTHER_ROW, ImportSummary, PurchaseImport, RejectReason, UndoSummary
from domain.imports.quality import CHECKS, Quality
from domain.imports.rejects import build_reject_cells, find_remedy, protect_cell
from domain.imports.rows import RejectedRow
from domain.model import Business
from domain.money import find_exponent, to_decimal
from gql.cli.actions.terminal import Fit, print_rows
from gql.cli.output import clean_line, format_minute, format_second

MORE = "…"


def print_quality(quality: Quality, currency: str) -> None:
    """A row for each kind of doubt that was found; nothing where there is none."""
    told = {
        "outliers": list_outliers(quality, currency),
        "refunds_not_attributed": f"{to_decimal(quality.refunded, find_exponent(currency)):,f} in all",
    }
    rows = [(CHECKS[name], f"{count:,}", told.get(name)) for name, count in quality.counts.items() if count]
    if rows:
        print_rows({"check": Fit.PROSE, "found": Fit.FIGURE, "which": Fit.PROSE}, rows)


def build_reason_documents(reasons: Iterable[RejectReason]) -> list[dict[str, object]]:
    """Why rows were rejected as JSON, each with what would mend them."""
    return [{**asdict(one), "remedy": name_remedy(one)} for one in reasons]


def name_remedy(reason: RejectReason) -> str | None:
    """What would mend the rows, options as they are typed."""
    remedy = find_remedy(reason.reason)
    return None if remedy is None else name_fields(remedy, to_option_name)


def print_reasons(reasons: Sequence[RejectReason], *, err: bool = False) -> None:
    """A row for each reason of rejected rows, with what would mend them; nothing where there is none."""
    if reasons:
        columns = {
            "rejected because": Fit.PROSE,
            "rows": Fit.FIGURE,
            "first line": Fit.FIGURE,
            "what helps": Fit.PROSE,
        }
        rows = [(one.reason, f"{one.count:,}", f"{one.first_line:,}", name_remedy(one)) for one in reasons]
        print_rows(columns, rows, err=err)


def list_outliers(quality: Quality, currency: str) -> str:
    """The orders that stand out, with their amounts."""
    decimals = find_exponent(currency)
    shown = [f"{one.order_id} ({to_decimal(one.amount, decimals):,f})" for one in quality.named]
    return ", ".join([*shown, *([MORE] if len(shown) < quality.outliers else [])])


def build_quality_document(quality: Quality | None, currency: str) -> dict[str, Any] | None:
    """What is doubtful as JSON: every count, and amounts as text in the business's currency."""
    if quality is None:
        return None
    decimals = find_exponent(currency)
    largest = [{"order_id": one.order_id, "amount": str(to_decimal(one.amount, decimals))} for one in quality.named]
    above = None if quality.fence is None else str(to_decimal(quality.fence, decimals))
    refunded = str(to_decimal(quality.refunded, decimals))
    return {**quality.counts, "outliers_above": above, "largest_outliers": largest, "refunded_amount": refunded}


class Rejects:
    """Rejected rows: each goes to the file where there is one, with its order and the cells of the source, safe for
    spreadsheets; else the first is named."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.first: RejectedRow | None = None

    def check(self, source: Path | None) -> None:
        """InvalidInput where the file cannot be written, before anything else is."""
        path = self.path
        if path is None:
            return
        if source is not None and path.exists() and path.samefile(source):
            raise InvalidInput("--rejects must be another file than the one that is imported")
        if path.is_dir():
            raise InvalidInput(f"--rejects must be a file, and {path} is a folder")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise InvalidInput(f"--rejects must be a file that can be written, and {path} cannot")

    @contextmanager
    def open_writer(
        self, header: Sequence[str], read_rows: Callable[[], Iterator[tuple[int, list[str]]]]
    ) -> Iterator[Callable[[RejectedRow], None]]:
        """Takes the rows, in the order of the source, while the block lasts; their cells are read again."""
        if self.path is None:
            yield self._remember
            return
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow((*map(protect_cell, header), *REJECT_COLUMNS))
            rows: Iterator[tuple[int, list[str]]] | None = None

            def write(row: RejectedRow) -> None:
                nonlocal rows
                # Not before the import has read them.
                rows = read_rows() if rows is None else rows
                cells = next((cells for line, cells in rows if line == row.line), [])
                writer.writerow(build_reject_cells(row, cells, len(header)))

            yield write

    def _remember(self, row: RejectedRow) -> None:
        if self.first is None or self.first.reason == ANOTHER_ROW:
            self.first = row

    def name_first(self) -> None:
        """Say what was wrong with one of the rows, where none are listed."""
        if self.first is not None:
            reason = f"line {self.first.line}: {clean_line(self.first.reason)}"
            typer.echo(f"First rejected: {reason}. --rejects FILE lists every one.", err=True)


def name_ignored_columns(columns: Sequence[str]) -> None:
    """Say which columns are left out."""
    if columns:
        typer.echo(f"Ignored columns: {clean_line(', '.join(columns))}", err=True)


def print_summary(name: str, counts: ImportSummary) -> None:
    """The four counts, which add up to what was read."""
    typer.echo(
        f"{clean_line(name)}: {count_noun(counts.rows_read, 'row')} read: {counts.created:,} created, "
        f"{counts.updated:,} updated, {counts.unchanged:,} unchanged, {counts.rejected:,} rejected."
    )


def print_import(name: str, summary: ImportSummary, business: Business, format: str) -> None:
    """What became of the rows, and what is doubtful about them."""
    if format == "json":
        typer.echo(json.dumps(build_summary_document(name, summary, business), ensure_ascii=False, indent=2))
        return
    print_summary(name, summary)
    if summary.future == 1:
        typer.echo("1 row lies in the future and counts from its instant on.")
    elif summary.future:
        typer.echo(f"{summary.future:,} rows lie in the future and count from their instant on.")
    if summary.quality is not None:
        print_quality(summary.quality, business.currency)
    print_reasons(summary.reasons)


def build_summary_document(name: str, summary: ImportSummary, business: Business) -> dict[str, Any]:
    """The same as JSON; `id` is null for a dry run."""
    return {
        "id": summary.import_id,
        "source": name,
        "rows_read": summary.rows_read,
        "created": summary.created,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "rejected": summary.rejected,
        "future": summary.future,
        "quality": build_quality_document(summary.quality, business.currency),
        "reject_reasons": build_reason_documents(summary.reasons),
    }


def describe_state(one: PurchaseImport) -> str:
    """The status in a word."""
    return "undone" if one.undone_at is not None else one.status.value.lower()


def list_import_lines(one: PurchaseImport, zone: str) -> list[tuple[str, str]]:
    """Name and value of what is known of an import."""
    lines = [("id", str(one.id)), ("source", one.source), ("status", describe_state(one))]
    if one.error_message is not None:
        lines.append(("error", one.error_message))
    if not one.status.final:
        of = "" if one.total is None else f" of {one.total:,}"
        lines.append(("progress", f"{one.phase} {one.done:,}{of}"))
    instants = (("began", one.started_at or one.created_at), ("ended", one.finished_at), ("undone", one.undone_at))
    lines += [(name, f"{format_minute(at, zone)} ({zone})") for name, at in instants if at is not None]
    counts = (("read", one.rows_read), ("created", one.created), ("updated", one.updated))
    more = (("unchanged", one.unchanged), ("rejected", one.rejected), ("future", one.future))
    return [*lines, *((name, count_noun(count, "row")) for name, count in (*counts, *more))]


def build_import_document(business: Business, one: PurchaseImport) -> dict[str, Any]:
    """The import as JSON."""
    instants = {"created_at": one.created_at, "started_at": one.started_at, "finished_at": one.finished_at}
    error = None if one.error_code is None else {"code": one.error_code, "message": one.error_message}
    return {
        "id": one.id,
        "source": one.source,
        "status": one.status.value,
        "phase": one.phase,
        **{name: format_second(at) for name, at in instants.items()},
        "undone_at": format_second(one.undone_at),
        "requested_by": one.requested_by,
        "error": error,
        "rows_read": one.rows_read,
        "created": one.created,
        "updated": one.updated,
        "unchanged": one.unchanged,
        "rejected": one.rejected,
        "future": one.future,
        "quality": build_quality_document(one.quality, business.currency),
    }


def build_undo_document(number: int, done: UndoSummary) -> dict[str, int]:
    """What taking back did, as JSON."""
    return {
        "id": number,
        "removed": done.removed,
        "restored": done.restored,
        "customers_removed": done.customers_removed,
        "customers_kept": done.customers_kept,
        "storefronts_removed": done.storefronts_removed,
        "left": done.left,
    }


def write_undo_sentence(number: int, done: UndoSummary) -> str:
    """What taking back did, in words."""
    sentence = (
        f"Import {number} was taken back: {done.removed:,} orders removed, {done.restored:,} restored, "
        f"{done.customers_removed:,} customers removed."
    )
    if done.customers_kept:
        sentence += (
            f" {done.customers_kept:,} customers stay without purchases: they have a history or data of their own."
        )
    if done.left:
        sentence += f" {done.left:,} orders were left: others wrote them meanwhile."
    return sentence
