"""One browser and the shops that it looks at, each made when the first test asks for it. Tests that write take the
`own_demo`; a page is opened by `await console.open(demo, "/segments")`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.drivers.browser import Browser, launch
from tests.drivers.console import AXE, Console, Shop, serve
from tests.shops.console_shops import fill_categories, fill_many, fill_nothing, fill_scripts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages are opened after the shop of a test and closed before it, in whichever order a test names them."""
    for item in items:
        names: list[str] = getattr(item, "fixturenames", [])
        if "console" in names:
            names.remove("console")
            names.append("console")


@pytest.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser for all tests."""
    assert AXE.is_file(), "run: make clients"
    async with launch(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
async def console(browser: Browser) -> AsyncIterator[Console]:
    """Opens pages, each of another person, and looks at the end at how they behaved."""
    async with AsyncExitStack() as stack:
        yield Console(browser, stack)


@pytest.fixture(scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The demo shop, for tests that only read."""
    async with serve(tmp_path_factory.mktemp("demo")) as shop:
        yield shop


@pytest.fixture
async def own_demo(tmp_path: Path) -> AsyncIterator[Shop]:
    """The demo shop of the test alone."""
    async with serve(tmp_path / "own") as shop:
        yield shop


@pytest.fixture(scope="session")
async def empty_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop with nothing in it."""
    async with serve(tmp_path_factory.mktemp("empty"), fill_nothing) as shop:
        yield shop


@pytest.fixture(scope="session")
async def many_customers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop with a hundred thousand customers. Tests with it are slow."""
    async with serve(tmp_path_factory.mktemp("many"), fill_many) as shop:
        yield shop


@pytest.fixture(scope="session")
async def many_categories(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop with three hundred categories."""
    async with serve(tmp_path_factory.mktemp("categories"), fill_categories) as shop:
        yield shop


@pytest.fixture(scope="session")
async def every_script(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop with names of every script."""
    async with serve(tmp_path_factory.mktemp("scripts"), fill_scripts) as shop:
        yield shop


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Shop:
    """One of them, by the name of its fixture: `parametrize("shop", [...], indirect=True)`."""
    made: Shop = request.getfixturevalue(request.param)
    return made
