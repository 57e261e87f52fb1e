"""The values that variables of rules have, as builders choose from them: each is found by a rule that asks for it, the
most frequent stands first, and nothing of those who were erased or of another business is shown."""

from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from domain.rules.context import RuleContext
from persistence.rules.values import VariableValues
from tests.drivers.face import Face

pytestmark = pytest.mark.anyio
VALUES = "{ ruleVariables { name type values } }"
UPSERT = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created userErrors { message } } }"
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
FOUND = "query F($rules: JSON) { customers(filter: {rules: $rules}) { totalCount } }"
CUSTOMERS: list[dict[str, Any]] = [
    {"externalId": "A", "country": "LK", "city": "Galle", "attributes": {"tier": "gold", "size": 40, "member": True}},
    {"externalId": "B", "country": "LK", "city": "Kandy", "attributes": {"tier": "blue", "size": 40.5}},
    {"externalId": "C", "country": "IN", "loyaltyLevel": "GOLD", "attributes": {"tier": "blue", "member": False}},
    {"externalId": "D", "country": "NP", "city": "Gone", "attributes": {"tier": "gone", "born": "2001-02-03"}},
]


def purchase(number: int, customer: str, storefront: str, *products: str, **more: object) -> dict[str, object]:
    lines = [{"category": one[:4], "product": one, "sku": one.upper(), "amount": "10"} for one in products]
    given = {"customerExternalId": customer, "externalId": f"O{number}", "storefrontKey": storefront, "lines": lines}
    return {"purchasedAt": "2024-05-01", "amount": "10", "channel": "web", **given, **more}


PURCHASES = [
    purchase(1, "A", "north", "soap mild", "salt"),
    purchase(2, "A", "north", "soap mild"),
    purchase(3, "B", "south", "soap dark", channel="app", purchasedAt="2022-05-01"),
    purchase(4, "B", "west", "salt", "salt", "salt", status="REFUNDED"),
    purchase(5, "D", "gone", "gone goods", channel="gone"),
    purchase(6, "A", "later", "later goods", channel="later", purchasedAt="2034-01-01"),
]


async def fill(face: Face) -> None:
    for query, given in ((UPSERT, CUSTOMERS), (RECORD, PURCHASES)):
        (answer,) = (await face.data(query, {"input": given})).values()
        assert answer == {"created": len(given), "userErrors": []}
    await face.data("""mutation { a: createSegment(input: {name: "Small", kind: MANUAL}) { userErrors { message } }
      b: createSegment(input: {name: "Large", kind: MANUAL}) { segment { id } } }""")


async def load(face: Face, token: str | None = None) -> dict[str, Any]:
    return {each["name"]: each["values"] for each in (await face.data(VALUES, token=token))["ruleVariables"]}


async def test_values_are_those_that_occur_the_most_frequent_first(both: Face) -> None:
    await fill(both)

    values = await load(both)

    assert values["country"][:2] == ["LK", "IN"]
    assert values["loyalty_level"] == ["GOLD"]
    assert values["attributes.tier"] == ["blue", "gold", "gone"]
    assert values["attributes.size"] == [40, 40.5]
    assert values["attributes.member"] == [False, True]
    assert values["purchases[].storefront"] == ["north", "gone", "south"]
    assert values["all_purchases[].storefront"] == ["north", "gone", "south", "west"]
    assert values["purchases.lines[].channel"] == ["web", "app", "gone"]
    assert values["purchases[].status"] == ["COMPLETED"]
    assert values["all_purchases.lines[].status"] == ["COMPLETED", "REFUNDED"]
    assert values["purchases.lines[].product"] == ["soap mild", "gone goods", "salt", "soap dark"]
    assert values["all_purchases.lines[].product"][0] == "salt"
    assert values["purchases.lines[].category"] == ["soap", "gone", "salt"]
    assert values["segments"] == ["large", "small"]
    assert values["purchase_frequency_label"] == ["New", "Regular"]
    assert "111" in values["rfm_segment"]
    anything = ("name", "email", "total_revenue", "erased", "attributes.born", "purchases", "purchases[].amount")
    assert [values[name] for name in anything] == [None] * 7


async def test_every_value_is_found_by_a_rule_that_asks_for_it(both: Face) -> None:
    await fill(both)
    asked = 0

    for name, values in (await load(both)).items():
        collection, _, inner = name.rpartition("[].")
        found = []
        for value in values or ():
            asked += 1
            rule: Any = {"==": [{"var": inner}, value]}
            if collection:
                rule = {"some": [{"var": collection}, rule]}
            if name != "segments":
                found.append((await both.data(FOUND, {"rules": rule}))["customers"]["totalCount"])
        # Of lists the elements are counted, not the customers.
        assert all(found), name
        assert collection or found == sorted(found, reverse=True), name
    assert asked > 60


async def test_nothing_of_the_erased_and_of_another_business_is_shown(both: Face) -> None:
    await fill(both)
    other = both.token(business="other")
    assert "gone" in (await load(both))["purchases[].storefront"]
    gone = (await both.data('{ customer(externalId: "D") { id } }'))["customer"]["id"]

    await both.data("mutation E($id: ID!) { eraseCustomer(customerId: $id) { erasedCustomerId } }", {"id": gone})

    told = str(await load(both))
    assert "gone" not in told.lower()
    assert "NP" not in told
    foreign = await load(both, other)
    assert foreign["country"] == foreign["purchases[].storefront"] == foreign["segments"] == []
    assert "attributes.tier" not in foreign


async def test_values_cost_a_fixed_number_of_statements_and_nothing_where_they_are_not_asked_for(both: Face) -> None:
    await fill(both)
    statements = both.statements()

    await both.data("{ ruleVariables { name operators } }")
    without = len(statements)
    statements.clear()
    await load(both)
    first = len(statements)
    statements.clear()
    await load(both)

    assert first - without == 8
    assert len(statements) - without == 1


async def test_at_most_two_hundred_values_are_told_of_each(both: Face) -> None:
    many = [{"externalId": f"M{n:03}", "city": f"City {n:03}", "attributes": {"note": f"N{n:03}"}} for n in range(230)]
    await both.data(UPSERT, {"input": [*many, {**many[-1], "externalId": "twice"}]})

    values = await load(both)

    assert values["city"] == ["City 229", *(f"City {n:03}" for n in range(199))]
    assert values["attributes.note"] == ["N229", *(f"N{n:03}" for n in range(199))]


async def test_no_statement_compares_each_customer_with_each(face: Face) -> None:
    await fill(face)
    values = VariableValues(None, RuleContext(await face.services.businesses.open("shop"), face.clock(), None, 1))  # type: ignore[arg-type]
    names = [name for name in dir(values) if name.startswith("select_")]

    for name in names:
        statement = getattr(values, name)().compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        async with face.database.reader.connect() as connection:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
            steps = [row[3] for row in plan]
        assert [step for step in steps if step.startswith("SCAN") and step.endswith("JOIN")] == [], name
    assert len(names) == 6
