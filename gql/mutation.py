"""The changes. Whatever the caller can mend comes back as user errors; then nothing was changed."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from domain.calendar import to_utc, zone
from domain.errors import FieldProblem, InvalidInput
from domain.model import Business as BusinessEntity
from domain.model import NewCustomer, NewPurchase
from domain.model import PurchaseLine as NewLine
from domain.money import exponent, to_minor
from gql.context import Info
from gql.enums import PurchaseStatus
from gql.export_mutations import ExportMutations
from gql.job_mutations import JobMutations
from gql.membership_mutations import MembershipMutations
from gql.payloads import AsUserErrors, UserError
from gql.permissions import CanEdit
from gql.segment_mutations import SegmentMutations
from gql.settings_mutations import SettingsMutations


@strawberry.input(description="A line of an order.")
class PurchaseLineInput:
    """A line of an order."""

    category: str | None = strawberry.field(default=None, description="Product category of the line.")
    amount: Decimal = strawberry.field(description="Amount of the line in the business's currency.")


@strawberry.input(description="An order. Amount counts for money, lines for category; they may differ.")
class PurchaseInput:
    """An order."""

    customer_external_id: str = strawberry.field(description="Customer id of the shop; made where it is new.")
    external_id: str = strawberry.field(description="Order id of the shop; one that is known is replaced.")
    purchased_at: datetime = strawberry.field(description="Timestamp of the order; without an offset, local time.")
    amount: Decimal = strawberry.field(description="Amount of the order in the business's currency, not negative.")
    status: PurchaseStatus = strawberry.field(default=PurchaseStatus.COMPLETED, description="Status of the order.")
    storefront_key: str | None = strawberry.field(default=None, description="Key of the storefront; made where new.")
    channel: str | None = strawberry.field(default=None, description="Sales channel of the order.")
    lines: list[PurchaseLineInput] | None = strawberry.field(default=None, description="Lines of the order.")


@strawberry.input(description="A customer. Absent fields keep what is stored, null clears.")
class CustomerInput:
    """A customer."""

    external_id: str = strawberry.field(description="Customer id of the shop; made where it is new.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Name of the customer.")
    email: str | None = strawberry.field(default=strawberry.UNSET, description="Email address of the customer.")
    loyalty_level: str | None = strawberry.field(default=strawberry.UNSET, description="Loyalty level of the customer.")
    registered_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Timestamp of the registration."
    )


@strawberry.type(description="What recording purchases did; all counts are 0 where there is a user error.")
class RecordPurchasesPayload:
    """What recording did."""

    created: int = strawberry.field(default=0, description="Purchases that are new.")
    updated: int = strawberry.field(default=0, description="Purchases that were known and differed.")
    unchanged: int = strawberry.field(default=0, description="Purchases that were known just so.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="What writing customers did; all counts are 0 where there is a user error.")
class UpsertCustomersPayload:
    """What writing did."""

    created: int = strawberry.field(default=0, description="Customers that are new.")
    updated: int = strawberry.field(default=0, description="Customers that were known and differed.")
    unchanged: int = strawberry.field(default=0, description="Customers that were known just so.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="What deleting purchases did.")
class DeletePurchasesPayload:
    """What deleting did."""

    deleted_count: int = strawberry.field(default=0, description="Purchases that were there and are gone.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="The changes that can be made.")
class Mutation(SegmentMutations, MembershipMutations, JobMutations, ExportMutations, SettingsMutations):
    """The changes."""

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Record up to 1,000 purchases, all or none. The same purchase again changes nothing.",
    )
    async def record_purchases(
        self, info: Info, input: Annotated[list[PurchaseInput], strawberry.argument(description="The purchases.")]
    ) -> RecordPurchasesPayload:
        """All or none."""
        business = await info.context.business()
        items = new_purchases(input, business)
        counts = await info.context.services.purchases.record(business, items, info.context.actor)
        return RecordPurchasesPayload(created=counts.created, updated=counts.updated, unchanged=counts.unchanged)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Delete up to 1,000 purchases by the shop's order ids; ids that are not there are passed over.",
    )
    async def delete_purchases(
        self,
        info: Info,
        external_ids: Annotated[list[str], strawberry.argument(description="Order ids of the shop.")],
    ) -> DeletePurchasesPayload:
        """All in one transaction."""
        business = await info.context.business()
        count = await info.context.services.purchases.delete(business, external_ids, info.context.actor)
        return DeletePurchasesPayload(deleted_count=count)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Create or update up to 1,000 customers, all or none.",
    )
    async def upsert_customers(
        self, info: Info, input: Annotated[list[CustomerInput], strawberry.argument(description="The customers.")]
    ) -> UpsertCustomersPayload:
        """All or none."""
        business = await info.context.business()
        items = new_customers(input, business)
        counts = await info.context.services.customers.upsert(business, items, info.context.actor)
        return UpsertCustomersPayload(created=counts.created, updated=counts.updated, unchanged=counts.unchanged)


def new_purchases(items: list[PurchaseInput], business: BusinessEntity) -> list[NewPurchase]:
    """The inputs as the domain reads them; InvalidInput carries every unreadable amount and instant."""
    decimals, tz = exponent(business.currency), zone(business.time_zone)
    problems: list[FieldProblem] = []
    made: list[NewPurchase] = []

    def minor(value: Decimal, *path: str) -> int:
        try:
            return to_minor(value, decimals)
        except ValueError as error:
            problems.append(FieldProblem(("input", *path), f"{path[-1]} {error}"))
            return 0

    for index, item in enumerate(items):
        place = str(index)
        lines = tuple(
            NewLine(line.category, minor(line.amount, place, "lines", str(number), "amount"), item.status)
            for number, line in enumerate(item.lines or [])
        )
        amount = minor(item.amount, place, "amount")
        try:
            at = to_utc(item.purchased_at, tz)
        except ValueError as error:
            problems.append(FieldProblem(("input", place, "purchasedAt"), f"purchasedAt {error}"))
            continue
        made.append(
            NewPurchase(
                item.customer_external_id,
                item.external_id,
                at,
                amount,
                item.status,
                item.storefront_key or None,
                item.channel or None,
                lines,
            )
        )
    if problems:
        raise InvalidInput.of(problems)
    return made


def new_customers(items: list[CustomerInput], business: BusinessEntity) -> list[NewCustomer]:
    """The inputs as the domain reads them."""
    tz = zone(business.time_zone)
    made: list[NewCustomer] = []
    for index, item in enumerate(items):
        given = {
            name: getattr(item, name)
            for name in ("name", "email", "loyalty_level", "registered_at")
            if getattr(item, name) is not strawberry.UNSET
        }
        if given.get("registered_at") is not None:
            try:
                given["registered_at"] = to_utc(given["registered_at"], tz)
            except ValueError as error:
                field = ("input", str(index), "registeredAt")
                raise InvalidInput(f"registeredAt {error}", field) from error
        made.append(NewCustomer(item.external_id, given=frozenset(given), **given))
    return made
