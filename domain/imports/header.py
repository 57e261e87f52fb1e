"""Which column of a source is which field, decided once, from the header and its first rows, before any row is read.
What is told wins, then what a preset or the settings say of columns that are there, then the headers that are known. A
column that looks as if it changed money, and that nothing says anything of, refuses the source."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import InvalidInput, Sentence
from domain.imports.columns import (
    ALIASES,
    CUSTOMER_ALIASES,
    LINES,
    PURCHASE_FIELDS,
    REJECT_COLUMNS,
    REJECT_LINE,
    REJECT_ORDER,
    Columns,
    describe_columns,
    find_field,
    format_row,
    normalise_header,
)
from domain.imports.formats import MADE_ORDERS, ROW, SourceFormat, Term, clean_word, parse_formula
from domain.imports.reader import STATUS_WORDS
from domain.money import is_currency

REQUIRED = ("customer_id", "order_id", "purchase_date", "amount")
AMOUNT_IN = re.compile("totalamount[a-z]{3}")
STATUSES = ("orderstate", "paymentstate", "currentstate")
ZONES = re.compile("timezone$|^tz$|^zone$")
QUANTITIES, PRICES = re.compile("qty|quantity"), re.compile("unitprice|priceperunit|itemprice|^price$")
NUMBER = re.compile(r"(.+)#([1-9][0-9]?)")
"""A column by its name and its place among those of that name."""
SUMMED = ADDED = ("discount", "tax", "shipping", "tip", "fee")
"""What counts only where a formula says how."""
CARRIED = frozenset({"category", "product", "sku", "quantity", "unit_price"})
"""What is a line's alone, even where the rest is said on the first row of an order."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each field stands: in the first of its places that says something. `status_columns` are places whose words
    decide the status, `terms` those of the amount, `ignored` the columns that are left out, and `notes` what people
    should know of all this."""

    fields: Mapping[str, tuple[int, ...]]
    width: int
    terms: tuple[Term, ...] = ()
    status_columns: tuple[tuple[int, Mapping[str, str]], ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def is_plain(self, form: SourceFormat) -> bool:
        """Whether every field is one column as it stands."""
        told = form.of_orders or form.fill_down or form.nothing or self.status_columns or form.guests
        made = {"purchase_time", "refunded_order_id"} & self.fields.keys()
        return not told and not made and all(len(places) == 1 for places in self.fields.values())

    @property
    def used(self) -> set[int]:
        """The places that are read."""
        of_fields = {place for places in self.fields.values() for place in places}
        return of_fields | {place for place, _ in self.status_columns}

    @property
    def columns(self) -> Columns:
        """The columns of a plain layout."""
        return Columns({of: places[0] for of, places in self.fields.items()}, self.ignored, self.width)


@dataclass(slots=True)
class _Header:
    """The names of a header while its columns are given to fields."""

    header: Sequence[str]
    form: SourceFormat
    names: list[str] = field(init=False)
    taken: set[int] = field(default_factory=set)
    fields: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = [normalise_header(name) for name in self.header]

    def find(self, column: str) -> int | None:
        """The place of a column, by its name or as NAME#2; None where it is not there. InvalidInput where the name is
        that of several."""
        name = normalise_header(column)
        places = [place for place, one in enumerate(self.names) if one == name and name]
        if not places and (match := NUMBER.fullmatch(column)) is not None:
            same = [place for place, one in enumerate(self.names) if one == normalise_header(match[1])]
            return same[int(match[2]) - 1] if int(match[2]) <= len(same) else None
        exact = [place for place in places if self.header[place].strip() == column.strip()]
        places = exact or places
        if len(places) > 1:
            self.refuse_twice(places)
        return places[0] if places else None

    def refuse_twice(self, places: Sequence[int]) -> None:
        """InvalidInput says how one of several columns of a name is chosen."""
        shown = format_row([self.header[places[0]].strip()])
        template = (
            "{} columns are named {}: say which one is meant with {map} {}#1=FIELD, or leave them out with {ignore} {}."
        )
        raise InvalidInput(Sentence(template, len(places), shown, shown, shown), ("map",))

    def take(self, of: str, place: int) -> None:
        """Give the column to the field, after those that it has."""
        self.fields.setdefault(of, []).append(place)
        self.taken.add(place)

    def take_told(self, known: Collection[str], about: str) -> None:
        """Give the columns that are told; InvalidInput where one is not there, or a field is of another kind of
        file."""
        for column, told in self.form.columns.items():
            of = find_field(told) or told
            self._check_field(column, of, known, about)
            place = self.find(column)
            if place is None:
                template = "{map} {}={}: the file has no column {}. Columns seen: {}."
                seen = describe_columns(self.header)
                raise InvalidInput(Sentence(template, column, of, column, seen), ("map",))
            self.take(of, place)
        has_told = set(self.fields)
        ignored = set(map(normalise_header, self.form.ignore))
        for column, kept in self.form.kept_columns.items():
            of = find_field(kept) or kept
            name = normalise_header(NUMBER.sub(r"\1", column))
            if of in has_told or name in ignored or not _is_known(of, known):
                continue
            place = self.find(column)
            if place is not None and place not in self.taken:
                self.take(of, place)
        for column in self.form.ignore:
            name = normalise_header(column)
            self.taken |= {place for place, one in enumerate(self.names) if one == name}
        self.taken |= {place for place, name in enumerate(self.header) if name.strip().lower() in REJECT_COLUMNS}

    def take_known(self, aliases: Mapping[str, tuple[str, ...]]) -> None:
        """Give the columns of known names to fields that have none."""
        for of, known in aliases.items():
            if of in self.fields:
                continue
            for alias in known:
                places = [place for place, name in enumerate(self.names) if name == alias and place not in self.taken]
                if len(places) > 1:
                    self.refuse_twice(places)
                if places:
                    self.take(of, places[0])
                    break
            else:
                self._take_of_line(of, known)

    def _take_of_line(self, of: str, known: Sequence[str]) -> None:
        """Give a column of a list of lines to a field that lines have."""
        if of in (*CARRIED, "amount"):
            wanted = {f"{listed}.{alias}" for listed in LINES for alias in known}
            places = [place for place, name in enumerate(self.names) if name in wanted and place not in self.taken]
            if places:
                self.take(of, places[0])

    def list_free(self) -> list[int]:
        """The places that are no field."""
        return [place for place, name in enumerate(self.names) if place not in self.taken and name]

    def name_places(self, places: Iterable[int]) -> tuple[str, ...]:
        """The headers of places, for people."""
        return tuple(format_row([self.header[place].strip()]) for place in places)

    def _check_field(self, column: str, of: str, known: Collection[str], about: str) -> None:
        if not _is_known(of, known):
            template = "{map} {}={}: {} is no field of {}. The fields are {} and attribute:NAME"
            raise InvalidInput(Sentence(template, column, of, of, about, ", ".join(known)), ("map",))


def _is_known(of: str, known: Collection[str]) -> bool:
    return of in known or of.startswith("attribute:")


def resolve_purchases(
    header: Sequence[str],
    form: SourceFormat,
    currency: str,
    sample: Sequence[Sequence[str]] = (),
    *,
    of_file: bool = True,
) -> Layout:
    """Find every field's column; InvalidInput says what is missing, twice there, in another currency or doubtful. The
    sample are first rows, by which a state of an order is told from that of an address."""
    seen = _Header(header, form)
    seen.take_told(PURCHASE_FIELDS, "purchases")
    status_columns = tuple(
        (place, words) for column, words in form.status_columns.items() if (place := seen.find(column)) is not None
    )
    seen.taken |= {place for place, _ in status_columns}
    if form.orders == ROW:
        for name in (REJECT_LINE, REJECT_ORDER):
            if name in header:
                seen.take(name, list(header).index(name))
    seen.take_known({of: known for of, known in ALIASES.items() if of != "status"})
    statuses = [place for place in seen.list_free() if _is_status(seen.names[place], place, sample, form)]
    if "status" not in seen.fields and len(statuses) > 1 and of_file:
        _refuse_statuses(seen, statuses)
    if "status" not in seen.fields and statuses:
        seen.take("status", statuses[0])
        statuses = statuses[1:]
    if "amount" not in seen.fields:
        _take_amount_in(seen, currency)
    notes: list[str] = []
    terms = _find_terms(seen, form, notes)
    if form.orders is not None and "order_id" in seen.fields:
        (column,) = seen.name_places(seen.fields["order_id"][:1])
        template = "{orders} {} is for files without order ids, and this one has {}: leave it out with {ignore} {}."
        raise InvalidInput(Sentence(template, form.orders, column, column), ("orders",))
    _check_required(seen, form, terms)
    if of_file:
        _check_doubtful(seen, statuses, notes)
    ignored = seen.name_places(place for place in range(len(header)) if not _is_used(seen, place, status_columns))
    fields = {of: tuple(places) for of, places in seen.fields.items()}
    return Layout(fields, len(header), terms, status_columns, ignored, tuple(notes))


@dataclass(frozen=True, slots=True)
class Found:
    """What a header says so far, which may be too little or too much: the places of each field, those of known names
    that stand there `twice`, the columns that look like `statuses`, and those that look as if they counted and of which
    nothing is said, each with the field that it may be; `free` are the places that are no field."""

    fields: Mapping[str, tuple[int, ...]]
    twice: Mapping[str, tuple[int, ...]]
    statuses: tuple[int, ...]
    doubtful: tuple[tuple[int, str], ...]
    free: tuple[int, ...]


def find_columns(
    header: Sequence[str], form: SourceFormat, currency: str, sample: Sequence[Sequence[str]] = ()
) -> Found:
    """The columns as `resolve_purchases` gives them to fields, where nothing but what is told is refused."""
    seen = _Header(header, form)
    seen.take_told(PURCHASE_FIELDS, "purchases")
    seen.taken |= {place for column in form.status_columns if (place := seen.find(column)) is not None}
    twice: dict[str, tuple[int, ...]] = {}
    for of, known in ALIASES.items():
        try:
            seen.take_known({of: known} if of != "status" else {})
        except InvalidInput:
            named = [[place for place in seen.list_free() if seen.names[place] == alias] for alias in known]
            twice[of] = tuple(next(filter(None, named)))
    statuses = [place for place in seen.list_free() if _is_status(seen.names[place], place, sample, form)]
    if "status" not in seen.fields and len(statuses) == 1:
        seen.take("status", statuses.pop())
    if "amount" not in seen.fields and "amount" not in twice:
        _take_amount_in(seen, currency)
    doubtful = [(place, of) for place, of in _list_doubtful(seen, statuses) if of not in seen.fields]
    fields = {of: tuple(places) for of, places in seen.fields.items()}
    return Found(fields, twice, tuple(statuses), tuple(doubtful), tuple(seen.list_free()))


def resolve_customers(header: Sequence[str], form: SourceFormat) -> Layout:
    """The same for a file of customers, which needs their ids alone."""
    seen = _Header(header, form)
    seen.take_told(tuple(CUSTOMER_ALIASES), "customers")
    seen.take_known(CUSTOMER_ALIASES)
    if "customer_id" not in seen.fields:
        template = "Missing required columns: customer_id. Columns seen: {}. Use {map} COLUMN=customer_id."
        raise InvalidInput(Sentence(template, describe_columns(header)))
    ignored = seen.name_places(place for place in range(len(header)) if not _is_used(seen, place, ()))
    return Layout({of: tuple(places) for of, places in seen.fields.items()}, len(header), ignored=ignored)


def _is_used(seen: _Header, place: int, status_columns: Sequence[tuple[int, object]]) -> bool:
    used = {one for places in seen.fields.values() for one in places} | {one for one, _ in status_columns}
    return place in used or seen.header[place].strip().lower() in REJECT_COLUMNS


def _is_status(name: str, place: int, sample: Sequence[Sequence[str]], form: SourceFormat) -> bool:
    if name.endswith("status") or name in STATUSES:
        return True
    if name != "state":
        return False
    words = [clean_word(cells[place]) for cells in sample if place < len(cells) and cells[place].strip()]
    known = {**STATUS_WORDS, **form.statuses}
    return bool(words) and 2 * sum(word in known for word in words) >= len(words)


def _refuse_statuses(seen: _Header, statuses: Sequence[int]) -> None:
    names = seen.name_places(statuses)
    template = "More than one column says a status: {}. Say which one counts with {map} {}=status."
    raise InvalidInput(Sentence(template, ", ".join(names), names[0]), ("map",))


def _take_amount_in(seen: _Header, currency: str) -> None:
    named = {
        seen.names[place][-3:].upper(): place for place in seen.list_free() if AMOUNT_IN.fullmatch(seen.names[place])
    }
    others = [code for code in named if is_currency(code)]
    if currency in named:
        seen.take("amount", named[currency])
    elif others:
        (column,) = seen.name_places([named[others[0]]])
        raise InvalidInput(f"The amounts are in {others[0]} ({column}), the business has {currency}.")


def _find_terms(seen: _Header, form: SourceFormat, notes: list[str]) -> tuple[Term, ...]:
    """The terms of the amount, none where it cannot be had; InvalidInput where a column is mapped and does not
    count."""
    if form.amount_formula is not None:
        terms = parse_formula(form.amount_formula)
        named = {name for term in terms for name in term.fields}
        missing = sorted(named - seen.fields.keys() - ({*ADDED, "refunded"} if form.preset else set()))
        if missing:
            template = "{amount_formula} {!r} needs a column for {}. Columns seen: {}. Use {map} COLUMN={}."
            seen_columns = describe_columns(seen.header)
            raise InvalidInput(
                Sentence(template, form.amount_formula, ", ".join(missing), seen_columns, missing[0]),
                ("amount_formula",),
            )
    elif "amount" in seen.fields:
        terms, named = (Term(("amount",), True),), {"amount"}
    elif {"quantity", "unit_price"} <= seen.fields.keys():
        terms, named = (Term(("quantity", "unit_price"), True),), {"quantity", "unit_price"}
        notes.append("The amount is quantity × unit_price, rounded half-even a line.")
    else:
        return ()
    idle = [name for name in ADDED if name in seen.fields and name not in named]
    if idle:
        template = "{} is mapped, and nothing says how it counts. Give {amount_formula}, such as 'amount - {}'."
        raise InvalidInput(Sentence(template, idle[0], idle[0]), ("amount_formula",))
    return terms


def _check_required(seen: _Header, form: SourceFormat, terms: Sequence[Term]) -> None:
    missing = [of for of in REQUIRED if of not in seen.fields]
    if terms and "amount" in missing:
        missing.remove("amount")
    if form.orders is not None and "order_id" in missing:
        missing.remove("order_id")
    if not missing:
        return
    first = missing[0]
    for column, of in form.columns.items():
        if normalise_header(column) in ALIASES.get(first, ()):
            template = "The column {} is mapped to {}, so that no column says {}."
            if of == "order_id":
                template += " A file without order ids is read with {orders} {}."
            raise InvalidInput(Sentence(template, column, of, first, _list_or(MADE_ORDERS)), ("map",))
    template = "Missing required columns: {}. Columns seen: {}. Use {map} COLUMN={}."
    if missing == ["order_id"]:
        template += " Where the file has no order ids, say with {orders} what an order is: {}."
    if "amount" in missing:
        likely = [
            f"{seen.header[place].strip()}={of}"
            for of, pattern in (("quantity", QUANTITIES), ("unit_price", PRICES))
            for place in seen.list_free()[:50]
            if pattern.search(seen.names[place]) and of not in seen.fields
        ]
        if likely:
            template += " The amount can also be made of {}."
            values = (", ".join(missing), describe_columns(seen.header), first, " and ".join(likely[:2]))
            raise InvalidInput(Sentence(template, *values))
    raise InvalidInput(
        Sentence(template, ", ".join(missing), describe_columns(seen.header), first, _list_or(MADE_ORDERS))
    )


def _list_or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _list_doubtful(seen: _Header, statuses: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The columns that look as if they counted and that nothing is said of, and the field that each may be."""
    for place in seen.list_free():
        name = seen.names[place]
        likely = (
            ("status", place in statuses),
            ("refunded", "refund" in name),
            ("currency", "currency" in name),
            ("time_zone", ZONES.search(name) is not None),
            ("quantity", "amount" not in seen.fields and QUANTITIES.search(name) is not None),
            ("unit_price", "amount" not in seen.fields and PRICES.search(name) is not None),
        )
        of = next((of for of, is_likely in likely if is_likely), None)
        if of is not None:
            yield place, of


def _check_doubtful(seen: _Header, statuses: Sequence[int], notes: list[str]) -> None:
    """InvalidInput names the columns that look as if they counted; where the field that they may be has a column, they
    are only told."""
    doubtful: list[tuple[int, str]] = []
    for place, of in _list_doubtful(seen, statuses):
        if of in seen.fields:
            notes.append(f"{seen.header[place].strip()} looks like a {of}, too, and is not used.")
        else:
            doubtful.append((place, of))
    if not doubtful:
        return
    shown = ", ".join(
        f"{format_row([seen.header[place].strip()])} (a {of.replace('_', ' ')}?)" for place, of in doubtful
    )
    place, of = doubtful[0]
    first = format_row([seen.header[place].strip()])
    template = "Nothing says what these columns mean: {}. Use {map} {!r} or leave them out with {ignore} {!r}."
    raise InvalidInput(Sentence(template, shown, f"{first}={of}", first), ("map",))


def rate_header(cells: Sequence[str], form: SourceFormat, signatures: Iterable[Iterable[str]] = ()) -> int:
    """How much a row looks like a header: the different names in it that are known, told, or of a signature that stands
    in it as a whole; 0 where it holds none."""
    return make_rater(form, signatures)(cells)


def make_rater(form: SourceFormat, signatures: Iterable[Iterable[str]] = ()) -> Callable[[Sequence[str]], int]:
    """The same for many rows."""
    known = {alias for some in (*ALIASES.values(), *CUSTOMER_ALIASES.values()) for alias in some}
    told = {normalise_header(NUMBER.sub(r"\1", column)) for column in (*form.columns, *form.kept_columns, *form.ignore)}
    names = known | told
    wanted = [frozenset(map(normalise_header, signature)) for signature in signatures]

    def rate(cells: Sequence[str]) -> int:
        held = set(map(normalise_header, cells))
        whole = (len(one) + 1 for one in wanted if one and one <= held)
        return max(len(held & names), *whole, 0)

    return rate
