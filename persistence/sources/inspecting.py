"""A file looked at before it is imported: opened as an import opens it, read twice (to see what is in it, and to count
what would come in as proposed), and nothing kept. The import itself decides what can be read; here it is only asked."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from domain.calendar import Clock, to_micros
from domain.errors import InvalidInput, Names
from domain.imports.formats import SourceFormat
from domain.imports.inspection.inspection import FileFacts, Inspection, inspect_sample
from domain.imports.inspection.proposals import POSITIONS, Choice, Doubt, add_said, ask_positions, guess_currency
from domain.imports.inspection.sample import Sample, Tally, take_sample
from domain.imports.model import Progress
from domain.imports.presets import PURCHASES, add_preset, match_preset
from domain.imports.rows import Batch
from domain.model import Business
from persistence.database.engines import Database
from persistence.sources.encodings import read_candidates
from persistence.sources.headers import SourceFile
from persistence.sources.opening import (
    make_header_rater,
    open_encoded,
    open_file,
    open_purchases,
    settle_format,
)

MOST_READINGS = 3


def ignore_progress(step: Progress) -> None:
    """For those who wait in silence."""


def inspect_purchases(
    path: Path,
    business: Business,
    form: SourceFormat,
    clock: Clock,
    names: Names = str,
    database: Database | None = None,
    *,
    assumed: tuple[str, ...] = (),
    progress: Callable[[Progress], None] = ignore_progress,
    known: Sample | None = None,
    declined: Collection[str] = (),
    count: bool = True,
) -> Inspection:
    """What the file looks like, and, where it is to `count`, what an import as proposed would make of it. Where the
    business's currency is `assumed`, the file may say another. The sample that is `known` from an earlier look is used
    while the file is read in the same way; doubts of keys that were `declined` were answered by saying nothing.
    InvalidInput where it cannot be read at all."""
    settled = settle_format(form, business, database, PURCHASES)
    doubts: list[Doubt] = []
    try:
        opened, settled = open_encoded(path, settled, make_header_rater(settled))
    except InvalidInput as error:
        doubt = _ask_encoding(error)
        if doubt is None:
            raise
        doubts.append(doubt)
        form = add_said(form, doubt.choices[doubt.default].says)
        settled = settle_format(form, business, database, PURCHASES)
        opened = open_file(path, settled.file_form, make_header_rater(settled))
    header = list(opened.header)

    def settle(told: SourceFormat) -> SourceFormat:
        full = settle_format(told, business, database, PURCHASES)
        unsaid = full.preset is None and full.name is None
        preset = match_preset(header, told=full.columns.values()) if unsaid else None
        return full if preset is None else add_preset(full, preset)

    try:
        again = settle(form)
        refusal: str | None = None
    except InvalidInput as error:
        # A shape that cannot be read, or options that do not go together.
        refusal, again = error.message, settled
        settle = _settle_nothing
    # What is proposed may change how the file is read, which may change what is proposed.
    asked = POSITIONS in declined or known is not None
    for _ in range(MOST_READINGS):
        if again.file_form != settled.file_form:
            opened, known = open_file(path, again.file_form, make_header_rater(again)), None
        sample = known or _look(opened, progress)
        if not again.columns_by_position and not asked and (doubt := ask_positions(sample)) is not None:
            asked = True
            doubts.append(doubt)
            form = add_said(form, doubt.choices[doubt.default].says)
            again = settle(form)
            continue
        if "currency" in assumed and (currency := guess_currency(sample)) is not None:
            business = replace(business, currency=currency)
        facts = FileFacts(opened.name, opened.encoding, opened.delimiter, opened.header_line, tuple(opened.notes))
        found = inspect_sample(facts, sample, form, settle, business, PURCHASES, doubts, assumed, declined)
        settled, again, known = again, found.settled, sample
        if again.file_form == settled.file_form:
            break
        form, doubts = found.form, list(found.doubts)
    if refusal is not None:
        return replace(found, form=form, refusal=refusal)
    if not count:
        return found
    try:
        tally = _try(path, found, clock, names, database, progress)
    except InvalidInput as error:
        return replace(found, refusal=error.message)
    return replace(found, tally=tally)


def _settle_nothing(told: SourceFormat) -> SourceFormat:
    return told


def _look(opened: SourceFile, progress: Callable[[Progress], None]) -> Sample:
    with closing(opened.read_batches()) as batches:
        return take_sample(opened.header, _watch(batches, progress))


def _watch(batches: Iterable[Batch], progress: Callable[[Progress], None]) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        done += len(batch.rows)
        progress(Progress("looking", done, None))
        yield batch


def _try(
    path: Path,
    found: Inspection,
    clock: Clock,
    names: Names,
    database: Database | None,
    progress: Callable[[Progress], None],
) -> Tally:
    """What would come in as proposed."""
    purchases = open_purchases(path, found.business, found.form, names, database)
    tally, now = Tally(names), to_micros(clock())
    for rows in purchases.read_rows(tally.add_reject):
        tally.add_rows(rows, now)
        progress(Progress("counting", tally.accepted + tally.rejected, found.rows))
    tally.finish()
    tally.warnings = list(dict.fromkeys([*purchases.notes, *purchases.warnings]))
    return tally


def _ask_encoding(error: InvalidInput) -> Doubt | None:
    """The doubt about an encoding, with how the file would read in each that it may have."""
    candidates = read_candidates(error)
    if not candidates:
        return None
    choices = [Choice(f"{name}: {word}", {"encoding": name}) for name, word in candidates.items()]
    return Doubt("encoding", "The file is not UTF-8. In which encoding is it written?", tuple(choices))
