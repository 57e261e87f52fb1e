"""The changes that can be made: of segments, and here of runs, settings, purchases and customers; and links to files,
which are checked when they are made, so that whoever opens one gets a file. Whatever the caller can mend comes back as
user errors; then nothing was changed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, partial
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.types.arguments import InputContext
from strawberry.utils.str_converters import to_camel_case

from domain.calendar import load_zone, to_utc
from domain.errors import AlreadyRunning, FieldProblem, InvalidInput, build_unknown_id
from domain.jobs.model import Job as JobEntity
from domain.model import PROFILE, NewCustomer, NewPurchase
from domain.model import Business as BusinessEntity
from domain.model import PurchaseLine as NewLine
from domain.money import find_exponent, to_millionths, to_minor
from domain.reports.document import ReportRequest
from domain.segments.member_export import choose_columns
from gql.file_formats import MEMBER_FORMATS, REPORT_FORMATS
from gql.parameters import ReportParameters, check_layout
from gql.schema.context import CanView, Info
from gql.schema.segment_mutations import SegmentMutations
from gql.schema.types.business import Business, SourceFormat, Storefront, find_storefront, read_settings
from gql.schema.types.customer import Customer
from gql.schema.types.enums import Layout, Method, PurchaseStatus, RfmScheme, describe_enum
from gql.schema.types.ids import encode, expect, match
from gql.schema.types.job import Job, PurchaseImport, Recalculation
from gql.schema.types.payloads import Payload, mutation, payload, to_user_errors
from gql.schema.types.scalars import JSON
from gql.schema.types.segment import Segment


@payload("The run that was queued, or the one that is active already.")
class RecalculateSegmentPayload(Payload):
    recalculation: Recalculation | None = strawberry.field(default=None, description="The run.")


@payload("The run that was queued, or the one that is active already.")
class RecalculateSegmentsPayload(Payload):
    recalculation: Recalculation | None = strawberry.field(default=None, description="The run, with its parts.")


@payload("What making the memberships of one customer agree did.")
class RecalculateCustomerPayload(Payload):
    customer: Customer | None = strawberry.field(default=None, description="The customer.")
    entered: list[Segment] = strawberry.field(default_factory=list, description="Segments that the customer entered.")
    left: list[Segment] = strawberry.field(default_factory=list, description="Segments that the customer left.")


@payload("The run that was to be stopped.")
class CancelJobPayload(Payload):
    job: Job | None = strawberry.field(default=None, description="The run, as it is now.")


@payload("The import that was to be taken back.")
class UndoImportPayload(Payload):
    purchase_import: PurchaseImport | None = strawberry.field(default=None, description="The import, as it is now.")


R = TypeVar("R", RecalculateSegmentPayload, RecalculateSegmentsPayload)


async def answer_with_run(kind: type[R], business: BusinessEntity, run: Awaitable[JobEntity]) -> R:
    """The run that is queued, or the active one with a user error."""
    try:
        return kind(recalculation=Recalculation.of(business, await run))
    except AlreadyRunning as error:
        return kind(recalculation=Recalculation.of(business, error.job), user_errors=to_user_errors(error))


# The type checker does not see what stands in a table.
ExportFormat = StrEnum("ExportFormat", {ending.upper(): ending for ending in REPORT_FORMATS})  # type: ignore[misc]
MembersFormat = StrEnum("MembersFormat", {ending.upper(): ending for ending in MEMBER_FORMATS})  # type: ignore[misc]
ENUMS = (
    describe_enum(
        ExportFormat,
        "ExportFormat",
        "What kind of file a report is.",
        **{ending.upper(): text for ending, text in REPORT_FORMATS.items()},
    ),
    describe_enum(
        MembersFormat,
        "MembersFormat",
        "What kind of file a list of members is.",
        **{ending.upper(): text for ending, text in MEMBER_FORMATS.items()},
    ),
)


@payload("A link to a file, which whoever has it may open until it expires.")
class ExportPayload(Payload):
    url: str | None = strawberry.field(
        default=None, description="Whole address of the file, as the server is reached, with its signature."
    )
    path: str | None = strawberry.field(
        default=None,
        description="The end of that address, such as exports/segmentation.pdf?…: relative to where the server is "
        "reached, for a client that reaches it below a prefix of which the server knows nothing.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="Timestamp after which the link opens nothing: 15 minutes, or when the token expires."
    )


@payload("The business with its settings as they are now.")
class UpdateBusinessSettingsPayload(Payload):
    business: Business | None = strawberry.field(default=None, description="The business.")


@payload("The storefront as it is called now.")
class UpdateStorefrontPayload(Payload):
    storefront: Storefront | None = strawberry.field(default=None, description="The storefront.")


@payload("The format as it is saved now.")
class SaveSourceFormatPayload(Payload):
    source_format: SourceFormat | None = strawberry.field(default=None, description="The format.")


@payload("What deleting a format did.")
class DeleteSourceFormatPayload(Payload):
    deleted_name: str | None = strawberry.field(default=None, description="Name of the format that is gone.")


@strawberry.input(description="A line of an order.")
class PurchaseLineInput:
    category: str | None = strawberry.field(default=None, description="Product category of the line.")
    product: str | None = strawberry.field(default=None, description="Product of the line, as the shop names it.")
    sku: str | None = strawberry.field(default=None, description="Stock-keeping unit of the line.")
    quantity: Decimal | None = strawberry.field(
        default=None, description="Quantity of the line: at most 9 digits before the point and 6 after it."
    )
    amount: Decimal = strawberry.field(description="Amount of the line in the business's currency.")


@strawberry.input(description="An order. Amount counts for money, lines say what was bought; they may differ.")
class PurchaseInput:
    customer_external_id: str = strawberry.field(description="Customer id of the shop; made where it is new.")
    external_id: str = strawberry.field(description="Order id of the shop; one that is known is replaced.")
    purchased_at: datetime = strawberry.field(description="Timestamp of the order; without an offset, local time.")
    amount: Decimal = strawberry.field(description="Amount of the order in the business's currency, not negative.")
    status: PurchaseStatus = strawberry.field(default=PurchaseStatus.COMPLETED, description="Status of the order.")
    storefront_key: str | None = strawberry.field(default=None, description="Key of the storefront; made where new.")
    channel: str | None = strawberry.field(default=None, description="Sales channel of the order.")
    attributes: JSON | None = strawberry.field(
        default=None,
        description="Attributes of the order by name; they replace those that were stated before. The first value of a "
        "name fixes its type.",
    )
    lines: list[PurchaseLineInput] | None = strawberry.field(default=None, description="Lines of the order.")


@strawberry.input(description="A customer. Absent fields keep what is stored, null clears.")
class CustomerInput:
    external_id: str = strawberry.field(description="Customer id of the shop; made where it is new.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Name of the customer.")
    email: str | None = strawberry.field(default=strawberry.UNSET, description="Email address of the customer.")
    phone: str | None = strawberry.field(default=strawberry.UNSET, description="Phone number of the customer.")
    country: str | None = strawberry.field(default=strawberry.UNSET, description="Country of the customer.")
    city: str | None = strawberry.field(default=strawberry.UNSET, description="City of the customer.")
    loyalty_level: str | None = strawberry.field(default=strawberry.UNSET, description="Loyalty level of the customer.")
    registered_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Timestamp of the registration."
    )
    attributes: JSON | None = strawberry.field(
        default=None,
        description="Attributes by name: each is set, or cleared by null; others stay. The first value fixes the type.",
    )


@cache
def _list_fields(kind: type) -> list[tuple[str, str]]:
    """Names of an input's fields, in the schema and here."""
    return [(to_camel_case(each.name), each.name) for each in fields(kind)]


def build_input(kind: type, value: Mapping[str, Any], context: InputContext) -> Any:
    """An input of which one request may hold thousands: its values are what the schema's types made of them already, so
    that only lines are left to be built. The library looks up the type of each value, which takes twenty times as
    long."""
    given = {name: value[key] for key, name in _list_fields(kind) if key in value}
    if given.get("lines"):
        given["lines"] = [build_input(PurchaseLineInput, line, context) for line in given["lines"]]
    return kind(**given)


PurchaseLineInput.__strawberry_definition__.from_input = build_input  # type: ignore[attr-defined]
PurchaseInput.__strawberry_definition__.from_input = build_input  # type: ignore[attr-defined]
CustomerInput.__strawberry_definition__.from_input = build_input  # type: ignore[attr-defined]


@payload("What recording purchases did; all counts are 0 where there is a user error.")
class RecordPurchasesPayload(Payload):
    created: int = strawberry.field(default=0, description="Purchases that are new.")
    updated: int = strawberry.field(default=0, description="Purchases that were known and differed.")
    unchanged: int = strawberry.field(default=0, description="Purchases that were known just so.")


@payload("What writing customers did; all counts are 0 where there is a user error.")
class UpsertCustomersPayload(Payload):
    created: int = strawberry.field(default=0, description="Customers that are new.")
    updated: int = strawberry.field(default=0, description="Customers that were known and differed.")
    unchanged: int = strawberry.field(default=0, description="Customers that were known just so.")


@payload("The customer who has everything now.")
class MergeCustomersPayload(Payload):
    customer: Customer | None = strawberry.field(default=None, description="The customer that was merged into.")


@payload("What erasing did.")
class EraseCustomerPayload(Payload):
    erased_customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Id of the customer, which stays without a name."
    )


@payload("What deleting purchases did.")
class DeletePurchasesPayload(Payload):
    deleted_count: int = strawberry.field(default=0, description="Purchases that were there and are gone.")


@payload("What revoking tokens did.")
class RevokeTokensPayload(Payload):
    revoked_at: datetime | None = strawberry.field(
        default=None, description="Timestamp of the revocation; five seconds later no process takes the tokens."
    )


@strawberry.type(description="The changes that can be made.")
class Mutation(SegmentMutations):
    @mutation("Queue a run that makes the segment's members agree with its definition.")
    async def recalculate_segment(
        self,
        info: Info,
        segment_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")],
    ) -> RecalculateSegmentPayload:
        context, business = info.context, await info.context.load_business()
        segment = expect(segment_id, "Segment", business, "segmentId")
        run = context.services.recalculations.start(business, segment, context.actor)
        return await answer_with_run(RecalculateSegmentPayload, business, run)

    @mutation("Queue one run of all automatic segments of the business, each a part of it.")
    async def recalculate_segments(self, info: Info) -> RecalculateSegmentsPayload:
        context, business = info.context, await info.context.load_business()
        run = context.services.recalculations.start_all(business, context.actor)
        return await answer_with_run(RecalculateSegmentsPayload, business, run)

    @mutation("Make the automatic memberships of one customer agree with the definitions, at once.")
    async def recalculate_customer(
        self,
        info: Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> RecalculateCustomerPayload:
        context, business = info.context, await info.context.load_business()
        key = expect(customer_id, "Customer", business, "customerId")
        entered, left = await context.services.recalculations.recalculate_customer(business, key, context.actor)
        context.renew(next((item.seen_at for item in (*entered, *left)), None))
        record = (await context.services.read(business, lambda unit: unit.customers.find_by_ids([key])))[key]
        return RecalculateCustomerPayload(
            customer=Customer.of(business, record),
            entered=[Segment.of(business, item) for item in entered],
            left=[Segment.of(business, item) for item in left],
        )

    @mutation("Stop a run: one that waits at once, one that is worked on at its next sign of life.")
    async def cancel_job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]
    ) -> CancelJobPayload:
        context, business = info.context, await info.context.load_business()
        number = match(id, "PurchaseImport", business)
        if number is not None:
            ended = await context.services.imports.cancel(business, number, context.actor)
            return CancelJobPayload(job=PurchaseImport.of(business, ended))
        number = expect(id, "Recalculation", business, "id")
        job = await context.services.recalculations.cancel(business, number, context.actor)
        return CancelJobPayload(job=Recalculation.of(business, job))

    @mutation(
        "Take an import back: orders that it made are removed, and those that it changed get back what they were. The "
        "server does so in the background, and `undo` and `undoneAt` of the import say how far it is. Where others "
        "have changed these orders since, nothing is changed."
    )
    async def undo_import(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the import.")]
    ) -> UndoImportPayload:
        context, business = info.context, await info.context.load_business()
        number = expect(id, "PurchaseImport", business, "id")
        begun = await context.services.imports.undo(business, number, context.actor)
        return UndoImportPayload(purchase_import=PurchaseImport.of(business, begun))

    @mutation("A signed, expiring link to the segmentation report as a file.", CanView)
    async def export_segmentation_report(
        self,
        info: Info,
        format: Annotated[ExportFormat, strawberry.argument(description="What kind of file.")],
        method: Annotated[Method, strawberry.argument(description="How to group customers.")] = Method.RFM,
        days: Annotated[int, strawberry.argument(description="Length of the window in days, 1 to 9999.")] = 90,
        as_of: Annotated[
            date | None, strawberry.argument(description="Last day of the window, included; today where absent.")
        ] = None,
        storefront_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only purchases of this storefront.")
        ] = None,
        segment_name: Annotated[
            str | None, strawberry.argument(description="Only this group; letter case ignored.")
        ] = None,
        segment_code: Annotated[str | None, strawberry.argument(description="Only this group, by its code.")] = None,
        scheme: Annotated[
            RfmScheme, strawberry.argument(description="Which set of RFM groups.")
        ] = RfmScheme.EIGHT_SEGMENT,
        layout: Annotated[
            Layout, strawberry.argument(description="How a file of CSV is laid out; others have one layout.")
        ] = Layout.DOCUMENT,
    ) -> ExportPayload:
        context, business = info.context, await info.context.load_business()
        check_layout(layout, format.value)
        storefront = await find_storefront(context, business, storefront_id)
        asked = ReportRequest(method, days, as_of, storefront, scheme, segment_name, segment_code, layout)
        report = await context.services.report_files.make_report(business, asked)
        # The day is said, so that the link shows tomorrow what it shows today.
        last, place = report.window.as_of, None if storefront is None else storefront.key
        query = ReportParameters(method, days, last, place, segment_name, segment_code, scheme, layout=layout).query
        link = context.sign_link(f"/exports/segmentation.{format.value}", query)
        detail = {"format": format.value, **dict(query), "expiresAt": link.expires_at.isoformat()}
        await context.services.store.audit(business.id, context.actor, "exportSegmentationReport", None, detail)
        return ExportPayload(url=link.url, path=link.path, expires_at=link.expires_at)

    @mutation("A signed, expiring link to the members of a segment as a file.", CanView)
    async def export_segment_members(
        self,
        info: Info,
        segment_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")],
        format: Annotated[MembersFormat, strawberry.argument(description="What kind of file.")],
        columns: Annotated[
            list[str] | None,
            strawberry.argument(
                description="Columns of the file in their order, by the names that docs/reports.md has; the usual ones "
                "where absent or empty."
            ),
        ] = None,
    ) -> ExportPayload:
        context, business = info.context, await info.context.load_business()
        segment = await context.loaders.segments.load(expect(segment_id, "Segment", business, "segmentId"))
        if segment is None or segment.deleted_at is not None:
            raise build_unknown_id("segment", "segmentId")
        path = f"/exports/segments/{encode('Segment', business.id, segment.id)}/members.{format.value}"
        query = [("columns", ",".join(choose_columns(columns, business)))] if columns else []
        link = context.sign_link(path, query)
        detail = {
            "segment": segment.key,
            "format": format.value,
            **dict(query),
            "expiresAt": link.expires_at.isoformat(),
        }
        target = ("Segment", segment.id)
        await context.services.store.audit(business.id, context.actor, "exportSegmentMembers", target, detail)
        return ExportPayload(url=link.url, path=link.path, expires_at=link.expires_at)

    @mutation("Record up to 1,000 purchases, all or none. The same purchase again changes nothing.")
    async def record_purchases(
        self, info: Info, input: Annotated[list[PurchaseInput], strawberry.argument(description="The purchases.")]
    ) -> RecordPurchasesPayload:
        context, business = info.context, await info.context.load_business()
        # Thousands of lines would hold the loop.
        purchases = await asyncio.to_thread(read_purchases, input, business)
        counts = await context.services.purchases.record(business, purchases, context.actor)
        return RecordPurchasesPayload(created=counts.created, updated=counts.updated, unchanged=counts.unchanged)

    @mutation("Delete up to 1,000 purchases by the shop's order ids; ids that are not there are passed over.")
    async def delete_purchases(
        self,
        info: Info,
        external_ids: Annotated[list[str], strawberry.argument(description="Order ids of the shop.")],
    ) -> DeletePurchasesPayload:
        context, business = info.context, await info.context.load_business()
        count = await context.services.purchases.delete(business, external_ids, context.actor)
        return DeletePurchasesPayload(deleted_count=count)

    @mutation("Create or update up to 1,000 customers, all or none.")
    async def upsert_customers(
        self, info: Info, input: Annotated[list[CustomerInput], strawberry.argument(description="The customers.")]
    ) -> UpsertCustomersPayload:
        context, business = info.context, await info.context.load_business()
        counts = await context.services.customers.upsert(business, read_customers(input, business), context.actor)
        return UpsertCustomersPayload(created=counts.created, updated=counts.updated, unchanged=counts.unchanged)

    @mutation(
        "Merge a customer into another: purchases, what is missing of the profile, and memberships of MANUAL segments "
        "go to the second, and the first one's external id becomes another name of it."
    )
    async def merge_customers(
        self,
        info: Info,
        from_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer who goes.")],
        into_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer who stays.")],
    ) -> MergeCustomersPayload:
        context, business = info.context, await info.context.load_business()
        source = expect(from_id, "Customer", business, "fromId")
        target = expect(into_id, "Customer", business, "intoId")
        merged = await context.services.merging.merge(business, source, target, context.actor)
        context.renew()
        return MergeCustomersPayload(customer=Customer.of(business, merged.customer))

    @mutation(
        "Take name, email and external id of a customer away for good and end the memberships; purchases "
        "and history stay. Again changes nothing."
    )
    async def erase_customer(
        self,
        info: Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> EraseCustomerPayload:
        context, business = info.context, await info.context.load_business()
        customer = expect(customer_id, "Customer", business, "customerId")
        await context.services.erasure.erase(business, customer, context.actor)
        context.renew()
        return EraseCustomerPayload(erased_customer_id=encode("Customer", business.id, customer))

    @mutation("Call a storefront by another name. Imports leave it as it is.")
    async def update_storefront(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the storefront.")],
        name: Annotated[str, strawberry.argument(description="Name for people, at most 255 characters.")],
    ) -> UpdateStorefrontPayload:
        context, business = info.context, await info.context.load_business()
        key = expect(id, "Storefront", business, "id")
        renamed = await context.services.purchases.rename_storefront(business, key, name, context.actor)
        return UpdateStorefrontPayload(storefront=Storefront.of(business, renamed))

    @mutation("Change settings of the business, all that are given or none. What is absent keeps its value.")
    async def update_business_settings(
        self,
        info: Info,
        settings: Annotated[
            JSON,
            strawberry.argument(
                description="Object of names and values; null goes back to the default. docs/settings.md has the names."
            ),
        ],
        expected_version: Annotated[
            int | None,
            strawberry.argument(description="`settingsVersion` that the change is meant for; CONFLICT where it grew."),
        ] = None,
    ) -> UpdateBusinessSettingsPayload:
        key, changes = info.context.viewer.business, info.context.services.business_changes
        stated, actor = read_settings(settings), info.context.actor
        changed, _ = await changes.set_settings(key, stated, actor, expected_version=expected_version)
        return UpdateBusinessSettingsPayload(business=Business.of(changed))

    @mutation("Save how a source is written under a name, in place of what was saved under it.")
    async def save_source_format(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="Lower-case letters, digits, - and _; no preset's name.")],
        settings: Annotated[
            JSON,
            strawberry.argument(
                description="Object of what the format says. Its keys, such as `date_format`, are those of files of "
                "formats, as docs/sources.md has them, also in the paths of user errors."
            ),
        ],
    ) -> SaveSourceFormatPayload:
        context, business = info.context, await info.context.load_business()
        saved = await context.services.formats.save(business, name, settings, context.actor)
        return SaveSourceFormatPayload(source_format=SourceFormat.of(saved))

    @mutation("Delete a format that was saved and that no setting names.")
    async def delete_source_format(
        self, info: Info, name: Annotated[str, strawberry.argument(description="Name of the format.")]
    ) -> DeleteSourceFormatPayload:
        context, business = info.context, await info.context.load_business()
        await context.services.formats.delete(business, name, context.actor)
        return DeleteSourceFormatPayload(deleted_name=name)

    @mutation(
        "Revoke tokens of the business before they expire: one by its id, or all of a subject, or all that were issued "
        "before an instant, of one subject or of everybody. Within five seconds no request with them is answered, and "
        "sockets and links to files that were opened with them are closed."
    )
    async def revoke_tokens(
        self,
        info: Info,
        jti: Annotated[
            str | None, strawberry.argument(description="Id of one token, its claim jti; given without the others.")
        ] = None,
        subject: Annotated[
            str | None,
            strawberry.argument(description="Whose tokens; without issuedBefore all that were issued up to now."),
        ] = None,
        issued_before: Annotated[
            datetime | None,
            strawberry.argument(
                description="Timestamp, not in the future; tokens that were issued before it, everybody's where no "
                "subject is given. Without an offset, local time."
            ),
        ] = None,
    ) -> RevokeTokensPayload:
        context, business = info.context, await info.context.load_business()
        before = None if issued_before is None else read_instant(issued_before, business, "issuedBefore")
        at = await context.services.revocations.revoke(
            business, context.actor, token_id=jti, subject=subject, issued_before=before
        )
        return RevokeTokensPayload(revoked_at=at)


def read_instant(value: datetime, business: BusinessEntity, *field: str) -> datetime:
    """The instant, in the business's zone where it names none; InvalidInput where there is no such one."""
    try:
        return to_utc(value, load_zone(business.time_zone))
    except ValueError as error:
        raise InvalidInput(f"{field[-1]} {error}", field) from error


def read_purchases(items: list[PurchaseInput], business: BusinessEntity) -> list[NewPurchase]:
    """The inputs as the domain reads them; InvalidInput carries every unreadable amount and instant."""
    decimals, tz = find_exponent(business.currency), load_zone(business.time_zone)
    to_amount = partial(to_minor, decimals=decimals)
    problems: list[FieldProblem] = []
    purchases: list[NewPurchase] = []

    def minor(value: Decimal, *path: str, convert: Callable[[Decimal], int] = to_amount) -> int:
        try:
            return convert(value)
        except ValueError as error:
            problems.append(FieldProblem(("input", *path), f"{path[-1]} {error}"))
            return 0

    def read_line(line: PurchaseLineInput, status: PurchaseStatus, *path: str) -> NewLine:
        return NewLine(
            line.category,
            minor(line.amount, *path, "amount"),
            status,
            line.product or None,
            line.sku or None,
            None if line.quantity is None else minor(line.quantity, *path, "quantity", convert=to_millionths),
        )

    for index, item in enumerate(items):
        place = str(index)
        lines = tuple(
            read_line(line, item.status, place, "lines", str(number)) for number, line in enumerate(item.lines or [])
        )
        amount = minor(item.amount, place, "amount")
        try:
            at = to_utc(item.purchased_at, tz)
        except ValueError as error:
            problems.append(FieldProblem(("input", place, "purchasedAt"), f"purchasedAt {error}"))
            continue
        purchases.append(
            NewPurchase(
                item.customer_external_id,
                item.external_id,
                at,
                amount,
                item.status,
                item.storefront_key or None,
                item.channel or None,
                lines,
                {} if item.attributes is None else item.attributes,  # type: ignore[arg-type]
            )
        )
    if problems:
        raise InvalidInput.of(problems)
    return purchases


def read_customers(items: list[CustomerInput], business: BusinessEntity) -> list[NewCustomer]:
    """The inputs as the domain reads them."""
    customers: list[NewCustomer] = []
    for index, item in enumerate(items):
        present = {name: getattr(item, name) for name in PROFILE if getattr(item, name) is not strawberry.UNSET}
        if present.get("registered_at") is not None:
            at, field = present["registered_at"], ("input", str(index), "registeredAt")
            present["registered_at"] = read_instant(at, business, *field)
        attributes: Any = {} if item.attributes is None else item.attributes
        customers.append(NewCustomer(item.external_id, given=frozenset(present), attributes=attributes, **present))
    return customers
