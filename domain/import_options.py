"""How a source of purchases is to be read: what a caller says, and where it says nothing what the business has settled
under `import`. Nothing here is guessed; what is said nowhere stays None and has the plain meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from domain.errors import InvalidInput
from domain.import_amounts import AmountForm
from domain.import_dates import DateForm
from domain.import_presets import PRESETS

LINE, ORDER = "line", "order"
"""Whose amount stands in a row: its own, or that of its whole order."""
AMOUNTS = (LINE, ORDER)
SECTION = "import"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is known of a source beforehand. `mapping` is column to field, `kept_mapping` that of the settings, which
    holds where the source has such columns."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    preset: str | None = None
    amount: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    currency_sign: str | None = None
    sheet: str | None = None
    kept_mapping: Mapping[str, str] = field(default_factory=dict)

    def over(self, settings: Mapping[str, object]) -> "ImportOptions":
        """These options, and what they leave open as the business has settled it."""
        section = settings.get(SECTION)
        if not isinstance(section, Mapping):
            return self
        texts = {one.name for one in fields(self)} - {"mapping", "kept_mapping"}
        open_: dict[str, Any] = {
            name: value
            for name, value in section.items()
            if name in texts and isinstance(value, str) and getattr(self, name) is None
        }
        columns = section.get("columns")
        kept = {str(column): str(of) for column, of in columns.items()} if isinstance(columns, Mapping) else {}
        return replace(self, kept_mapping=kept, **open_)

    def checked(self) -> "ImportOptions":
        """The same; InvalidInput names what cannot be."""
        check_date_format(self.date_format)
        if self.preset is not None and self.preset not in PRESETS:
            raise InvalidInput(f"--preset must be one of: {', '.join(PRESETS)}, not {self.preset[:40]}", ("preset",))
        if self.amount is not None and self.amount not in AMOUNTS:
            raise InvalidInput(f"--amount must be one of: {', '.join(AMOUNTS)}, not {self.amount[:40]}", ("amount",))
        if self.preset is not None and self.amount == LINE:
            raise InvalidInput(f"--amount line does not go with --preset {self.preset}, whose amounts are of orders")
        _ = self.amount_form
        return self

    @property
    def amount_form(self) -> AmountForm:
        """How amounts are written; InvalidInput where its signs cannot be told apart."""
        return AmountForm.of(self.decimal, self.thousands, self.currency_sign)

    @property
    def of_orders(self) -> bool:
        """Whether rows carry the amount of their order."""
        return self.amount == ORDER or self.preset is not None

    def columns_for(self, header: Mapping[str, object]) -> dict[str, str]:
        """The mapping for a source with these columns, as they are compared."""
        given = set(self.mapping.values())
        kept = {column: of for column, of in self.kept_mapping.items() if column in header and of not in given}
        return {**kept, **self.mapping}


def check_date_format(form: str | None) -> None:
    """InvalidInput where the form cannot tell one day from another."""
    try:
        if form is not None:
            DateForm(form)
    except ValueError as error:
        raise InvalidInput(f"--date-format {error}, not {form}", ("dateFormat",)) from error
