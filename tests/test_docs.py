"""The tables of README and docs name what there is: settings, commands, limits, scalars, the worked example; and what
they point at is there."""

import json
import re
import tomllib

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
)

from domain.businesses.settings import ALIASES, SETTINGS
from domain.classifiers import COLUMNS
from domain.customers.customers import MAXIMUM_ITEMS
from domain.errors import to_option_name
from domain.imports.formats import KEYS, STATED_AS
from domain.imports.formats import OPTIONS as OPTIONS_OF_FORMATS
from domain.imports.presets import load_presets
from domain.imports.saved_formats import read_document
from domain.imports.sources import FILE_TYPES
from domain.jobs.model import JobKind, WorkSummary
from domain.pages import MAXIMUM_FIRST
from gql.cli.actions.verification import CUSTOMERS
from gql.counters import KEPT
from gql.http.exports import FILES_AT_ONCE
from gql.http.json_body import MAXIMUM_BODY, MAXIMUM_LISTED
from gql.http.metrics import StoredNumbers
from gql.http.persisted import MAXIMUM_DOCUMENTS
from gql.http.strangers import PLACES, PLACES_OF_ADDRESS
from gql.http.throttling import FAILED_TOKENS
from gql.http.websocket import MAXIMUM_OPERATIONS, MAXIMUM_SOCKETS, TRY_LATER
from gql.schema.limits import MAXIMUM_ALIASES, MAXIMUM_COST, MAXIMUM_DEPTH, MAXIMUM_TOKENS
from gql.schema.queries import MAXIMUM_NODES
from gql.settings import Settings
from tests.cli.test_help import OPTIONS
from tests.drivers.documents import DOCUMENTS, ROOT, blocks, table, table_rows


def test_the_claims_are_those_of_a_token() -> None:
    (claims,) = (json.loads(block.text) for block in blocks("README.md", "json"))

    assert set(claims) == {"sub", "business", "permissions", "iat", "exp", "jti"}
    assert 0 < claims["exp"] - claims["iat"] <= 24 * 3600


def test_every_scalar_has_its_type_for_code_generators() -> None:
    (config,) = (block.text for block in blocks("README.md", "yaml"))

    named = re.findall(r"^    (\w+): ", config, re.MULTILINE)
    scalars = re.findall(r"^scalar (\w+)", (ROOT / "schema.graphql").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(scalars)


@pytest.mark.parametrize("document", ["README.md", "docs/operations.md"])
def test_the_settings_are_those_that_are_read(document: str) -> None:
    read = set(re.findall(r'"(SEGMENTS_[A-Z_]+|PORT)"', (ROOT / "gql" / "settings.py").read_text()))

    assert sorted(table(document, "Settings")) == sorted(read)


def test_every_setting_of_a_business_is_listed_as_it_is() -> None:
    section = (
        (ROOT / "docs/settings.md").read_text(encoding="utf-8").split("\n## Every setting\n\n")[1].split("\n\n")[0]
    )

    told = [tuple(re.split(r" \| ", line.strip("| "))) for line in section.splitlines()[2:]]

    known = [(f"`{one.name}`", one.description, one.kind.words, _default(one.default)) for one in SETTINGS]
    assert told == known
    assert set(table("docs/settings.md", "Names of the reference configuration")) == set(ALIASES)


def test_every_preset_is_listed_with_its_source() -> None:
    presets = load_presets()

    assert sorted(table("docs/sources.md", "Presets")) == sorted(presets)
    section = (ROOT / "docs/sources.md").read_text(encoding="utf-8").split("\n## Presets\n")[1]
    assert [one.name for one in presets.values() if f"]({one.source.split()[0]}) |" not in section] == []


def test_every_key_of_formats_is_listed_as_it_is() -> None:
    section = (ROOT / "docs/sources.md").read_text(encoding="utf-8").split("\n## Formats\n")[1].split("\n## ")[0]

    told = re.findall(r"^\| `(\w+)` \| (.+) \| (\w+) \| (?:`(\S+)`)? ?\|$", section, re.MULTILINE)

    options = {name: STATED_AS.get(name, name) for name in KEYS}
    known = [
        (name, key.words, key.kind, to_option_name(options[name]) if options[name] in OPTIONS_OF_FORMATS else "")
        for name, key in KEYS.items()
    ]
    assert told == known


def test_the_example_of_a_format_can_be_saved() -> None:
    (example,) = (block for block in blocks("docs/sources.md", "toml") if block.name == "till.toml")

    assert read_document(tomllib.loads(example.text)).file_time_zone == "Europe/Berlin"


def _default(value: object) -> str:
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def test_the_columns_of_classifiers_are_those_they_see() -> None:
    section = (ROOT / "docs/classifiers.md").read_text(encoding="utf-8").split("\n## Columns\n")[1].split("\n## ")[0]

    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)) == dict(COLUMNS)


def test_the_command_reference_names_every_command_and_option() -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `segments ")]

    told = {re.sub(r"( [A-Z]+)*`$", "", row.split(" | ")[0].removeprefix("| `segments ")): row for row in rows}

    assert sorted(told) == sorted(OPTIONS)
    for command, options in OPTIONS.items():
        missing = [one for one in options.split() if one != "--business" and not re.search(rf"{one}\b", told[command])]
        assert (command, missing) == (command, [])


def test_the_limits_are_those_of_the_server() -> None:
    settings = Settings()
    known = {
        "body of a request": MAXIMUM_BODY,
        "GraphQL document": settings.maximum_document,
        "tokens of a document": MAXIMUM_TOKENS,
        "depth of a document": MAXIMUM_DEPTH,
        "aliases of a document": MAXIMUM_ALIASES,
        "cost of a document": MAXIMUM_COST,
        "`first` and `last`": MAXIMUM_FIRST,
        "documents kept by their hash of a subject, each process": MAXIMUM_DOCUMENTS,
        "ids of `nodes`": MAXIMUM_NODES,
        "items of a mutation": MAXIMUM_ITEMS,
        "items of all lists in a body": MAXIMUM_LISTED,
        "sockets of a subject, each process": MAXIMUM_SOCKETS,
        "operations at once on a socket": MAXIMUM_OPERATIONS,
        "files of members on their way of a business, each process": FILES_AT_ONCE,
        "connections without a token, each process": PLACES,
        "connections without a token of one address, each process": PLACES_OF_ADDRESS,
        "tokens of one address that do not hold, at once": FAILED_TOKENS,
        "seconds of an operation": settings.deadline_seconds,
        "seconds of a report": settings.report_deadline_seconds,
    }
    section = (ROOT / "docs/operations.md").read_text().split("\n## Limits\n")[1].split("\n## ")[0]

    told = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+)", section, re.MULTILINE))

    assert {name: int(number.replace(",", "")) for name, number in told.items()} == known


def test_the_numbers_for_prometheus_are_those_that_are_told() -> None:
    none = dict.fromkeys(JobKind, 0)
    told = [*KEPT.collect(), *StoredNumbers(WorkSummary(none, none, none, {})).collect()]
    names = {one.name + ("_total" if one.type == "counter" else "") for one in told}

    assert sorted(table("docs/operations.md", "Metrics")) == sorted(names)


def test_the_worked_example_is_the_one_that_verify_computes() -> None:
    example = (ROOT / "docs/numbers.md").read_text().split("### A worked example")[1].split("###")[0]
    rows = [re.split(r" ?\| ?", line)[1:-1] for line in example.splitlines() if re.match(r"\| [A-Z]", line)]

    told = {name: (int(age), int(orders), int(spend), *rest[2:]) for name, age, orders, spend, *rest in rows}

    assert told == CUSTOMERS


def find_lists(schema: GraphQLSchema) -> dict[str, dict[str, list[str]]]:
    """By type and field, the arguments that choose each list of what a cache has by key: all but those of pages."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and (name == "Query" or "id" in kind.fields):
            for field, of in kind.fields.items():
                if get_named_type(of.type).name.endswith("Connection"):
                    chosen = [one for one in of.args if one not in ("first", "after", "last", "before")]
                    found.setdefault(name, {})[field] = chosen
    return found


def test_the_policies_of_caches_are_those_of_the_schema() -> None:
    (page,) = (block.text for block in blocks("docs/clients.md", "js") if block.name == "cache.mjs")
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    possible = json.loads(
        re.sub(r",\s*([}\]])", r"\1", re.sub(r"(\w+):", r'"\1":', page.split("possibleTypes = ")[1].split(";")[0]))
    )
    policies = re.findall(r"^  (\w+): \{(.*?)\},?$(?=\n  \w|\n\}|\n  //)", page, re.MULTILINE | re.DOTALL)
    told = {
        name: {
            field: re.findall(r'"(\w+)"', chosen or "")
            for field, chosen in re.findall(r"(\w+): relayStylePagination\((?:\[(.*?)\])?\)", text)
        }
        for name, text in policies
        if "relayStylePagination" in text
    }
    merged = [name for name, text in policies if text == " merge: true "]

    abstract = [kind for kind in schema.type_map.values() if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)]
    assert possible == {kind.name: [one.name for one in schema.get_possible_types(kind)] for kind in abstract}
    assert told == find_lists(schema)
    assert [name for name in merged if "id" in getattr(schema.type_map.get(name), "fields", ("id",))] == []


def test_the_close_codes_are_those_that_sockets_are_closed_with() -> None:
    source = (ROOT / "gql" / "http" / "websocket.py").read_text(encoding="utf-8")
    told = {int(row[0]): row[2] for row in table_rows("docs/subscriptions.md", "Close codes")}

    closed = {TRY_LATER, *map(int, re.findall(r"[cC]lose\((\d{4})", source))}
    assert closed <= set(told)
    # And those that the server below closes with.
    assert set(told) - closed == {1006, 1009, 1012}


def test_the_types_of_files_are_those_that_are_read() -> None:
    section = (ROOT / "docs/sources.md").read_text().split("\n## Types of files\n")[1].split("\n## ")[0]

    told = [
        tuple(tuple(re.findall(r"`([^`]+)`", cell)) for cell in cells)
        for cells in re.findall(r"^\| \w[^|]*\| (`[^|]+)\| (`[^|]+)?\|$", section, re.MULTILINE)
    ]

    assert told == [(one.endings, one.media_types) for one in FILE_TYPES]


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_path_that_is_named_is_there(document: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    missing = []

    # A file stands at the root, or in a folder that its paragraph, or its row of a table, names.
    for paragraph in re.split(r"\n\n|\n(?=\|)", text):
        paths = re.findall(r"`([\w./-]*(?:/|\.(?:py|md|toml|lock|graphql))[\w./-]*)`", paragraph)
        folders = {ROOT, *(folder for path in paths for folder in ((ROOT / path), (ROOT / path).parent))}
        missing += [path for path in paths if not any((folder / path).exists() for folder in folders)]

    assert missing == []


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, "docs/upgrading.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
)
def test_what_a_document_points_at_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    makes = re.findall(r"\bmake ([a-z][a-z-]+)`|^make ([a-z-]+)$", text, re.MULTILINE)

    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []
    assert {first or second for first, second in makes} <= targets
