"""The frame of the console: who is signed in and for how long, where one can go, and what is shown while the server or
the network is not there."""

import json
from pathlib import Path

import httpx
import pytest

from tests.drivers.browser import Page
from tests.drivers.console import Console, Shop, check_accessibility, serve
from tests.drivers.server import free_port, wait_until
from tests.shops.console_shops import fill_nothing

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
TROUBLE = "The server does not answer. Trying again"
FOCUS = "document.activeElement.tagName"
KEPT = "JSON.stringify([{ ...localStorage }, document.cookie, Object.keys(sessionStorage)])"


async def sign_in(page: Page, token: str) -> None:
    await page.fill("Token", token)
    await page.click("Sign in")
    await page.settle()


async def until_refused(shop: Shop, token: str) -> None:
    """Until the server has noticed that the token was revoked."""
    async with httpx.AsyncClient(base_url=shop.url, trust_env=False) as client:

        async def refused() -> bool:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)
            return answer.status_code == 401

        await wait_until(refused)


@pytest.mark.parametrize("kind", ["wrong", "expired", "revoked"])
async def test_a_token_that_does_not_hold_is_refused_at_its_field_and_not_kept(
    console: Console, empty_shop: Shop, kind: str
) -> None:
    token = {"wrong": "not a token", "expired": empty_shop.expired_token}.get(kind) or empty_shop.token(token_id=kind)
    if kind == "revoked":
        await empty_shop.revoke(kind)
        await until_refused(empty_shop, token)
    page = await console.open(empty_shop, "/segments", token="")

    await sign_in(page, token)

    assert "The server does not take this token" in await page.text(".sign-in [role=alert]")
    assert await page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert await page.evaluate("sessionStorage.length") == 0
    assert len(page.complaints) == 1 and " 401 " in page.complaints.pop()
    await sign_in(page, empty_shop.token())
    assert await page.evaluate(FOCUS) == "H1"
    assert (await page.address()).endswith("/#/segments")


@pytest.mark.parametrize("kept", [True, False])
async def test_a_token_without_rights_is_told_what_it_lacks(console: Console, empty_shop: Shop, kept: bool) -> None:
    token = empty_shop.token(everything=False)
    page = await console.open(empty_shop, "/segments", token=token if kept else "")
    if not kept:
        await sign_in(page, token)

    assert await page.text("h1") == "Sign in"
    assert "customers:view" in await page.text(".sign-in [role=alert]")
    assert await page.evaluate("sessionStorage.length") == 0
    await sign_in(page, empty_shop.token())
    assert await page.text("h1") == "Segments"


async def test_a_token_that_ended_while_nobody_looked_says_so(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, "/segments", token=empty_shop.expired_token)

    assert await page.text("h1") == "Sign in"
    assert "expired" in await page.text(".sign-in [role=alert]")
    page.complaints.clear()


async def test_a_token_is_kept_for_its_tab_alone(console: Console, empty_shop: Shop) -> None:
    token = empty_shop.token()
    page = await console.open(empty_shop, token="")
    await sign_in(page, f"Bearer {token}")
    other = await page.open_tab()

    await page.reload()
    await page.settle()
    await other.open(f"{empty_shop.url}/")
    await other.settle()

    assert await page.evaluate(KEPT) == '[{},"",["authorization"]]'
    assert await page.text("h1") != "Sign in"
    assert await other.text("h1") == "Sign in"
    assert [url for url in page.requests if token in url] == []
    assert token not in await page.evaluate("location.href + document.documentElement.outerHTML")


async def test_nobody_is_given_a_token_outside_of_the_demo(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, token="")

    assert await page.value("#token") == ""
    assert await page.focused() == "Token"


async def test_the_demo_on_its_own_machine_has_its_token_filled_in(console: Console, tmp_path: Path) -> None:
    async with serve(tmp_path / "shop", fill_nothing, demo=True) as shop:
        page = await console.open(shop, token="")

        await page.press("Enter")
        await page.settle()

        assert await page.text("h1") != "Sign in"
        assert await page.evaluate("document.title.endsWith(' · The Shop')")


async def test_who_signs_out_is_known_no_more(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, token="")
    await sign_in(page, empty_shop.token())

    await page.click("Sign out")

    assert await page.text("h1") == "Sign in"
    assert await page.evaluate("sessionStorage.length") == 0
    assert await page.value("#token") == ""


async def test_a_session_that_ends_says_so_and_goes_on_with_what_was_asked(console: Console, own_demo: Shop) -> None:
    token = own_demo.token(token_id="ending")
    page = await console.open(own_demo, "/customers", token=token)
    await own_demo.revoke("ending")
    await until_refused(own_demo, token)
    page.complaints.clear()

    await page.click("Segments", within="nav")
    await page.wait_text("Your session has ended", "dialog")
    behind = await page.evaluate("document.querySelector('main h1').innerText")
    await check_accessibility(page)
    await sign_in(page, own_demo.token())

    assert behind == "Customers"
    assert await page.text("h1") == "Segments"
    assert await page.evaluate("document.querySelector('dialog')") is None
    assert all(" 401 " in each for each in page.complaints)
    page.complaints.clear()


async def test_who_does_not_renew_a_session_is_signed_out(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/customers")
    await page.evaluate(f"sessionStorage.authorization = 'Bearer {own_demo.expired_token}'")

    await page.click("Segments", within="nav")
    await page.wait_text("Your session has ended", "dialog")
    await page.wait_for("document.querySelector('main').ariaBusy === 'true'")
    await page.press("Escape")
    await page.settle()

    assert await page.text("h1") == "Sign in"
    assert await page.evaluate("sessionStorage.length") == 0
    page.complaints.clear()


async def test_a_server_that_restarts_is_waited_for(console: Console, tmp_path: Path) -> None:
    port = free_port()
    async with serve(tmp_path / "shop", port=port) as shop:
        page = await console.open(shop, "/customers")
        token = await page.evaluate("sessionStorage.authorization")

    await page.click("Segments", within="nav")
    await page.wait_text(TROUBLE)
    shown = await page.text("h1")
    async with serve(tmp_path / "shop", port=port):
        await page.wait_text("Segments", "h1")
        await page.wait_gone(TROUBLE)
        await page.settle()

        assert shown == "Customers"
        assert await page.evaluate("sessionStorage.authorization") == token
    page.complaints.clear()


async def test_a_page_that_takes_its_time_is_announced_and_the_one_before_stays(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    release = await page.hold()

    await page.click("Segments", within="nav")
    await page.wait_for("document.querySelector('main[aria-busy=true]')")
    waiting = [await page.text("main h1"), await page.evaluate("!document.querySelector('.busy').hidden")]
    release.set()
    await page.settle()

    assert waiting == ["Customers", True]
    assert await page.text("h1") == "Segments"
    assert await page.evaluate("document.querySelector('.busy').hidden")


async def test_the_first_page_says_that_it_is_on_its_way(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    release = await page.hold()

    await page.reload()
    await page.wait_for("document.querySelector('.busy')?.hidden === false")
    release.set()
    await page.settle()

    assert await page.text("h1") == "Customers"


async def test_a_first_page_that_fails_can_be_asked_for_again(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.answer(500)

    await page.reload()
    await page.wait_text("This page could not be shown", "h1")
    await page.let_through()
    await page.click("Try again")
    await page.settle()

    assert await page.text("h1") == "Customers"
    page.complaints.clear()


async def test_a_page_whose_module_cannot_be_fetched_can_be_asked_for_again(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.fail("/console/pages/segments.js")

    await page.reload()
    await page.settle()
    await page.click("Segments", within="nav")
    await page.wait_text("This page could not be shown", "h1")
    await page.let_through()
    await page.click("Try again")
    await page.settle()

    assert await page.text("h1") == "Segments"
    page.complaints.clear()


async def test_an_answer_that_is_an_error_is_told_and_can_be_asked_again(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.answer(500, "broken")

    await page.click("Segments", within="nav")
    await page.settle()
    told = await page.text("main [role=alert]")
    await check_accessibility(page)
    await page.let_through()
    await page.click("Try again")
    await page.settle()

    assert "500" in told
    assert await page.text("h1") == "Segments"
    page.complaints.clear()


async def test_a_server_that_is_not_ready_is_given_up_at_last(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.answer(503, Retry_After="0.01")

    await page.click("Segments", within="nav")
    await page.wait_text("This page could not be shown", "h1")
    await page.let_through()
    await page.click("Try again")
    await page.wait_text("Segments", "h1")
    await page.settle()

    assert not await page.evaluate("document.querySelector('.trouble').checkVisibility()")
    page.complaints.clear()


async def test_a_browser_without_a_network_goes_on_when_it_is_back(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.network(offline=True)

    await page.click("Settings", within="nav")
    await page.wait_text(TROUBLE)
    await page.network()
    await page.wait_text("Settings", "h1")
    await page.wait_gone(TROUBLE)
    page.complaints.clear()


async def test_the_console_works_below_a_path_that_a_proxy_takes_off(console: Console, tmp_path: Path) -> None:
    async with serve(tmp_path / "shop", prefix="/shop/segments", demo=True) as shop:
        page = await console.open(shop, "/", token="")
        await page.click("Sign in")
        await page.settle()
        await page.click("Download as JSON")
        report = json.loads((await page.downloaded()).read_text())
        await page.click("Segments", within="nav")
        await page.settle()

        assert report["data"]["customer_count"] > 100
        assert await page.text("h1") == "Segments"
        assert await page.address() == f"{shop.url}/#/segments"
        asked = [url.replace("ws:", "http:") for url in page.requests if not url.startswith("data:")]
        assert [url for url in asked if not url.startswith(f"{shop.url}/")] == []


async def test_addresses_are_deep_links_and_the_back_button_goes_through_them(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments?sort=NAME&reverse=true")
    await page.click("Customers", within="nav")
    await page.settle()
    await page.click("Imports", within="nav")
    await page.settle()

    shown = []
    for _ in range(2):
        await page.back()
        await page.settle()
        shown.append([await page.text("h1"), (await page.address()).partition("#")[2]])

    assert shown == [["Customers", "/customers"], ["Segments", "/segments?sort=NAME&reverse=true"]]


@pytest.mark.parametrize("address", ["/no-such-page", "/segments/a/b/c", "//", "/%E0%A4%A", "/__proto__"])
async def test_an_address_of_nothing_leads_back(console: Console, empty_shop: Shop, address: str) -> None:
    page = await console.open(empty_shop, address)

    assert await page.text("h1") in ("There is no such page", "Welcome")
    await page.click("Imports", within="nav")
    await page.settle()
    assert await page.text("h1") == "Imports"


async def test_the_keyboard_reaches_everything_and_the_focus_follows_the_page(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.focus("a.brand")

    await page.press("Shift+Tab")
    first = await page.focused()
    seen = await page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    await page.press("Enter")
    skipped = await page.evaluate("document.activeElement.id")
    await page.focus("nav a[href='#/imports']")
    await page.press("Enter")
    await page.settle()

    assert (first, seen, skipped) == ("Skip to the page", True, "content")
    assert await page.text("h1") == "Imports"
    assert await page.evaluate(FOCUS) == "H1"
    assert await page.evaluate("document.querySelector('[aria-current=page]').innerText") == "Imports"


@pytest.mark.parametrize(("width", "theme"), [(380, "light"), (1280, "dark")])
async def test_signing_in_is_accessible(console: Console, empty_shop: Shop, width: int, theme: str) -> None:
    page = await console.open(empty_shop, token="", width=width, theme=theme)

    await check_accessibility(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_busy_server_makes_no_one_wait_for_nothing(console: Console, demo: Shop) -> None:
    """Who goes on before a page is there is shown the last page that was asked for."""
    page = await console.open(demo, "/customers")
    release = await page.hold()

    await page.click("Segments", within="nav")
    await page.click("Imports", within="nav")
    release.set()
    await page.settle()

    assert await page.text("h1") == "Imports"
    assert (await page.address()).endswith("#/imports")
