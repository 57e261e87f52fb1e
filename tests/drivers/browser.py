"""Headless Chromium driven over its own protocol: one browser, whose pages stand each in a context of its own, as those
of different people do. What a test does to a page is real input: a click is one of the mouse where the thing stands,
and fails where something lies above it."""

import asyncio
import base64
import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websockets

SECONDS = 40.0
"""How long something is waited for, on a machine that is busy with other tests."""
STEP = 0.03
NAMED = (
    "a[href], button, summary, label, select, th, input[type=submit], "
    "[role=button], [role=tab], [role=link], [role=option], [role=menuitem], [role=checkbox], [role=radio]"
)
"""What can be clicked by its name."""
FIND = """(selector, name, within) => {
  const shown = (one) => one.getClientRects().length > 0 && getComputedStyle(one).visibility === 'visible';
  const plain = (text) => (text ?? '').replace(/\\s+/g, ' ').trim();
  const names = (one) => [one.getAttribute('aria-label'), one.innerText, one.value, one.title].map(plain);
  const places = within ? [...document.querySelectorAll(within)] : [document];
  const open = document.querySelector('dialog:modal');
  const found = places.flatMap((place) => [...place.querySelectorAll(selector)])
    .filter((one) => shown(one) && (!open || open.contains(one)));
  return name === null ? found : found.filter((one) => names(one).includes(plain(name)));
}"""
"""The elements that are shown, of a selector or with a name; behind a modal dialog none is."""
KEYS = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Escape": (27, ""),
    "Backspace": (8, ""),
    "Delete": (46, ""),
    "Space": (32, " "),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
    "PageUp": (33, ""),
    "PageDown": (34, ""),
    "End": (35, ""),
    "Home": (36, ""),
}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


class BrowserError(AssertionError):
    """The browser refused what it was told."""


@dataclass(frozen=True, slots=True)
class Interception:
    """What becomes of requests whose address holds `part` and whose body holds `about`: they wait for `held`, then get
    an answer with `status`, fail where it is 0, or go on where there is none."""

    part: str
    about: str
    status: int | None
    body: str
    headers: dict[str, str]
    held: asyncio.Event


class Page:
    """One tab: what it loads, and what a script in it says."""

    def __init__(self, browser: "Browser", context: str, target: str, session: str, downloads: Path) -> None:
        self.browser, self.context, self.target, self.session = browser, context, target, session
        self.downloads = downloads
        self.requests: list[str] = []
        self.bodies: list[str] = []
        """What was sent to /graphql over HTTP."""
        self.complaints: list[str] = []
        """Errors of scripts, of the console and of the content security policy, and answers that are errors."""
        self.loading: dict[str, tuple[str, str]] = {}
        """Address, and the loading of a page that it belongs to."""
        self.interceptions: list[Interception] = []
        self.background: set[asyncio.Task[Any]] = set()

    def hear(self, method: str, parameters: dict[str, Any]) -> None:
        """An event of the tab."""
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
                self.loading[parameters["requestId"]] = parameters["request"]["url"], parameters["loaderId"]
                if parameters["request"]["url"].endswith("/graphql"):
                    self.bodies.append(parameters["request"].get("postData", ""))
            case "Network.webSocketCreated":
                self.requests.append(parameters["url"])
            case "Page.frameNavigated" if "parentId" not in parameters["frame"]:
                # What the page before was still asking for ends without a word.
                loader = parameters["frame"]["loaderId"]
                self.loading = {key: each for key, each in self.loading.items() if each[1] == loader}
            case "Network.loadingFinished" | "Network.loadingFailed":
                self.loading.pop(parameters["requestId"], None)
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                self.complaints.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "assert"):
                said = " ".join(str(each.get("value", each.get("description"))) for each in parameters["args"])
                self.complaints.append(f"console: {said}")
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                entry = parameters["entry"]
                self.complaints.append(f"{entry['source']}: {entry['text']} ({entry.get('url', '')})")
            case "Fetch.requestPaused":
                task = asyncio.ensure_future(self._answer(parameters))
                self.background.add(task)
                task.add_done_callback(self.background.discard)
            case _:
                pass

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A method of the protocol, for this tab."""
        return await self.browser.call(method, self.session, **parameters)

    # Where it is.

    async def open(self, url: str) -> None:
        """The address, loaded anew also where only what follows the # differs."""
        if (await self.evaluate("location.href.split('#')[0]")) == url.partition("#")[0]:
            await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=url)

    async def reload(self) -> None:
        """As the button of the browser does."""
        await self.call("Page.reload")

    async def back(self) -> None:
        """As the button of the browser does."""
        await self.evaluate("history.back()")

    async def address(self) -> str:
        """Where it is now."""
        return str(await self.evaluate("location.href"))

    async def close(self) -> None:
        """The tab is gone."""
        for task in self.background:
            task.cancel()
        await self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.pages.pop(self.session, None)

    async def open_tab(self) -> "Page":
        """Another tab of the same person, with a sessionStorage of its own."""
        return await self.browser.open_tab(self.context, self.downloads)

    # What it looks like.

    async def resize(self, width: int, height: int, zoom: float = 1) -> None:
        """The page as wide and high as that, in pixels of a picture of it; `zoom` as of the menu of the browser."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=round(width / zoom),
            height=round(height / zoom),
            deviceScaleFactor=zoom,
            mobile=False,
        )

    async def prefer(self, theme: str = "light", motion: str = "no-preference") -> None:
        """What the system says that its user prefers: light or dark, reduced motion."""
        features = {"prefers-color-scheme": theme, "prefers-reduced-motion": motion}
        given = [{"name": name, "value": value} for name, value in features.items()]
        await self.call("Emulation.setEmulatedMedia", features=given)

    async def draw(self, whole: bool = False) -> bytes:
        """What it looks like, as a PNG: what is seen of it, or all of it."""
        more: dict[str, Any] = {}
        if whole:
            size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}}
        picture = await self.call("Page.captureScreenshot", format="png", **more)
        return base64.b64decode(picture["data"])

    # What it says.

    async def evaluate(self, script: str) -> Any:
        """What the script comes to; None where it throws."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found.get("result", {}).get("value")

    async def wait_for(self, script: str, seconds: float = SECONDS) -> Any:
        """What the script comes to at last that is not empty or false."""
        # An element cannot be handed out, only that it is there.
        asked = f"Promise.resolve({script}).then((found) => (found instanceof Node ? true : found))"
        return await self._until(lambda: self.evaluate(asked), f"never true: {script}", seconds)

    async def _until(self, ask: Callable[[], Any], told: str, seconds: float = SECONDS) -> Any:
        end = time.monotonic() + seconds
        while not (value := await ask()):
            if time.monotonic() > end:
                seen = await self.evaluate("document.body?.innerText.slice(0, 1500)")
                raise AssertionError(f"{told}; complaints: {self.complaints}; the page shows:\n{seen}")
            await asyncio.sleep(STEP)
        return value

    async def wait_text(self, text: str, selector: str = "body", seconds: float = SECONDS) -> None:
        """Until the text is shown there."""
        place = f"document.querySelector({json.dumps(selector)})?.innerText"
        await self.wait_for(f"({place} ?? '').includes({json.dumps(text)})", seconds)

    async def wait_gone(self, text: str, selector: str = "body", seconds: float = SECONDS) -> None:
        """Until the text is shown there no more."""
        place = f"document.querySelector({json.dumps(selector)})?.innerText"
        await self.wait_for(f"!({place} ?? '').includes({json.dumps(text)})", seconds)

    async def settle(self, seconds: float = SECONDS) -> None:
        """Until nothing is loaded any more and nothing says that it is busy, and what came is drawn."""
        drawn = "new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(() => next(true))))"
        quiet = "document.readyState === 'complete' && !document.querySelector('[aria-busy=true], main:empty')"

        async def still() -> bool:
            before = len(self.requests)
            if self.loading or not await self.evaluate(quiet):
                return False
            await self.evaluate(drawn)
            return not self.loading and before == len(self.requests) and bool(await self.evaluate(quiet))

        try:
            await self._until(still, "never at rest", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstill loading: {[url for url, _ in self.loading.values()]}") from None

    async def text(self, selector: str = "body") -> str:
        """What is shown there, empty where there is nothing."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def texts(self, selector: str) -> list[str]:
        """What each shows."""
        found = await self.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)")
        return list(found)

    async def rows(self, selector: str = "table") -> list[list[str]]:
        """The cells of the first such table, its heading included, as they are shown."""
        script = f"[...(document.querySelector({json.dumps(selector)})?.rows ?? [])]"
        return list(await self.evaluate(f"{script}.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"))

    async def value(self, selector: str) -> str:
        """What a field holds."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).value"))

    async def focused(self) -> str:
        """What has the focus: its name, or its text."""
        script = "(e => e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || e.id || e.tagName)"
        return str(await self.evaluate(f"{script}(document.activeElement)")).strip()

    # What a person does to it.

    async def find(self, selector: str, name: str | None = None, within: str = "") -> tuple[float, float]:
        """Where the first such element is in the window, scrolled to; AssertionError where something covers it."""
        asked = ", ".join(map(json.dumps, (selector, name, within)))
        script = f"""(async () => {{
          const one = ({FIND})({asked})[0];
          if (!one) return null;
          one.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }});
          await new Promise(requestAnimationFrame);
          const box = one.getClientRects()[0];
          const place = [box.x + box.width / 2, box.y + box.height / 2];
          const top = document.elementFromPoint(...place);
          const same = top && (one.contains(top) || top.contains(one) || top.closest('label')?.control === one
            || (one.labels && [...one.labels].some((label) => label.contains(top))));
          return same ? place : {{ covered: top?.outerHTML.slice(0, 200) ?? 'outside of the window' }};
        }})()"""
        told = f"nothing to click: {selector if name is None else name} {within}"
        where = None

        async def look() -> bool:
            nonlocal where
            where = await self.evaluate(script)
            return isinstance(where, list)

        try:
            await self._until(look, told)
        except AssertionError as error:
            raise AssertionError(f"covered by {where}" if where else str(error)) from None
        x, y = where or (0.0, 0.0)
        return float(x), float(y)

    async def click(self, name: str | None = None, *, selector: str = "", within: str = "", times: int = 1) -> None:
        """Of the mouse, on the first link, button, tab or label of that name, or on the first of a selector; `within`
        is a selector, too. Waits until there is one."""
        x, y = await self.find(selector or NAMED, name, within)
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                await self.call(
                    "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=count
                )

    async def hover(self, selector: str) -> None:
        """The mouse stands there."""
        x, y = await self.find(selector)
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def focus(self, selector: str) -> None:
        """The first such element that is shown has the focus."""
        first = f"({FIND})({json.dumps(selector)}, null, '')[0]"
        script = f"(one => one && (one.focus(), document.activeElement === one))({first})"
        await self._until(lambda: self.evaluate(script), f"cannot be focused: {selector}")

    async def type(self, selector: str, text: str) -> None:
        """In the field, in place of what it holds."""
        await self.focus(selector)
        await self.evaluate("document.activeElement.select?.()")
        if text:
            await self.call("Input.insertText", text=text)
        else:
            await self.press("Delete")

    async def fill(self, label: str, text: str) -> None:
        """The field with that label, in place of what it holds."""
        await self.type(await self.field(label), text)

    async def field(self, label: str) -> str:
        """A selector of the field with that label, made where it has no id."""
        script = f"""(() => {{
          const plain = (text) => (text ?? '').replace(/\\s+/g, ' ').trim();
          const one = [...document.querySelectorAll('input, select, textarea')].find((each) =>
            [each.getAttribute('aria-label'), ...[...(each.labels ?? [])].map((l) => l.innerText)].map(plain)
              .includes({json.dumps(label)}));
          if (!one) return '';
          one.dataset.field ??= String(document.querySelectorAll('[data-field]').length);
          return `[data-field="${{one.dataset.field}}"]`;
        }})()"""
        return str(await self._until(lambda: self.evaluate(script), f"no field with the label {label}"))

    async def press(self, key: str, times: int = 1) -> None:
        """A key such as Enter, Shift+Tab, Control+z or a."""
        *held, name = key.split("+") if len(key) > 1 else [key]
        code, text = KEYS.get(name, (ord(name.upper()[0]), name))
        modifiers = sum(MODIFIERS[each] for each in held)
        said = text if not modifiers & ~MODIFIERS["Shift"] else ""
        given = {
            "key": text if name == "Space" else name,
            "code": name if name in KEYS else f"Key{name.upper()}",
            "windowsVirtualKeyCode": code,
            "modifiers": modifiers,
        }
        for _ in range(times):
            await self.call("Input.dispatchKeyEvent", type="keyDown" if said else "rawKeyDown", text=said, **given)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    async def select(self, selector: str, choice: str) -> None:
        """The choice of a list, by its text or its value."""
        script = f"""((list, choice) => {{
          const option = [...list?.options ?? []].find((each) => each.text.trim() === choice || each.value === choice);
          if (!option) return false;
          list.value = option.value;
          for (const kind of ['input', 'change']) list.dispatchEvent(new Event(kind, {{ bubbles: true }}));
          return true;
        }})(document.querySelector({json.dumps(selector)}), {json.dumps(choice)})"""
        await self._until(lambda: self.evaluate(script), f"{selector} has no choice {choice}")

    async def choose(self, label: str, choice: str) -> None:
        """The choice of the list with that label."""
        await self.select(await self.field(label), choice)

    async def set_files(self, selector: str, *files: Path) -> None:
        """As if they had been chosen in the dialog of the field."""
        await self.wait_for(f"document.querySelector({json.dumps(selector)}) !== null")
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    async def drop_files(self, selector: str, *files: Path) -> None:
        """Dragged there from the desktop."""
        x, y = await self.find(selector)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    async def downloaded(self, seconds: float = SECONDS) -> Path:
        """The oldest file that was saved and not asked for yet, whole."""

        async def look() -> Path | None:
            files = [each for each in self.downloads.iterdir() if each.suffix != ".crdownload"]
            return min(files, key=lambda each: each.stat().st_mtime, default=None)

        found: Path = await self._until(look, "nothing was saved", seconds)
        return found.rename(self.downloads.parent / f"{self.downloads.name}-{found.name}")

    # What the network does to it.

    async def network(self, *, offline: bool = False, latency_ms: float = 0, kilobytes: float = -1) -> None:
        """From now on without a network, or with a slow one: so long to the first byte, so much a second."""
        rate = kilobytes * 1024 if kilobytes >= 0 else -1
        await self.call(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=latency_ms,
            downloadThroughput=rate,
            uploadThroughput=rate,
        )

    async def fail(self, part: str = "/graphql", about: str = "") -> None:
        """Requests whose address holds the one and whose body the other, such as the name of an operation, come back
        as if the connection had broken."""
        await self._intercept(part, about, 0)

    async def answer(
        self, status: int, body: str = "", part: str = "/graphql", about: str = "", **headers: str
    ) -> None:
        """They get this answer."""
        await self._intercept(part, about, status, body, headers)

    async def hold(self, part: str = "/graphql", about: str = "") -> asyncio.Event:
        """They wait until the event is set, and then go their way."""
        return await self._intercept(part, about, None, held=asyncio.Event())

    async def let_through(self) -> None:
        """All requests go their way again."""
        for each in self.interceptions:
            each.held.set()
        self.interceptions.clear()
        await asyncio.gather(*self.background)
        await self.call("Fetch.disable")

    async def _intercept(
        self,
        part: str,
        about: str,
        status: int | None,
        body: str = "",
        headers: dict[str, str] | None = None,
        held: asyncio.Event | None = None,
    ) -> asyncio.Event:
        event = held or asyncio.Event()
        if held is None:
            event.set()
        self.interceptions.append(Interception(part, about, status, body, headers or {}, event))
        await self.call("Fetch.enable", patterns=[{"urlPattern": "*"}])
        return event

    async def _answer(self, paused: dict[str, Any]) -> None:
        request, key = paused["request"], paused["requestId"]
        for each in self.interceptions:
            if each.part in request["url"] and each.about in request.get("postData", ""):
                await each.held.wait()
                if each.status is None:
                    break
                if each.status == 0:
                    await self.call("Fetch.failRequest", requestId=key, errorReason="ConnectionReset")
                    return
                given = {"Content-Type": "application/json", **each.headers}
                headers = [{"name": name.replace("_", "-"), "value": value} for name, value in given.items()]
                body = base64.b64encode(each.body.encode()).decode()
                await self.call(
                    "Fetch.fulfillRequest", requestId=key, responseCode=each.status, responseHeaders=headers, body=body
                )
                return
        await self.call("Fetch.continueRequest", requestId=key)


class Browser:
    """A running Chromium, and the tabs that are open in it."""

    def __init__(self, socket: websockets.ClientConnection, folder: Path) -> None:
        self.socket, self.folder = socket, folder
        self.numbers, self.contexts = itertools.count(1), itertools.count(1)
        self.answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pages: dict[str, Page] = {}
        self.reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            if "id" in message:
                waiting = self.answers.pop(message["id"])
                if not waiting.done():
                    waiting.set_result(message)
            elif (page := self.pages.get(message.get("sessionId", ""))) is not None:
                page.hear(message["method"], message["params"])

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """A method of the protocol; BrowserError where it is refused, but for a script that went with its page."""
        number = next(self.numbers)
        self.answers[number] = asyncio.get_running_loop().create_future()
        to = {} if session is None else {"sessionId": session}
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters, **to}))
        answer = await asyncio.wait_for(self.answers[number], 60)
        gone = method.startswith(("Runtime.", "Fetch."))
        if "error" in answer and not gone:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer.get("result", {})
        return result

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A tab of somebody of whom the browser knows nothing yet; with it go all tabs that it opened."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        downloads = self.folder / f"downloads-{next(self.contexts)}"
        downloads.mkdir(parents=True)
        await self.call(
            "Browser.setDownloadBehavior", behavior="allow", browserContextId=context, downloadPath=str(downloads)
        )
        try:
            yield await self.open_tab(context, downloads)
        finally:
            for each in [page for page in self.pages.values() if page.context == context]:
                await each.close()
            await self.call("Target.disposeBrowserContext", browserContextId=context)

    async def open_tab(self, context: str, downloads: Path) -> Page:
        """A tab in the context, which asks to be told of all that happens."""
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self.pages[session] = Page(self, context, target, session, downloads)
        for domain in ("Page", "Network", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        # Of several tabs each acts as the one that is looked at.
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return page


@asynccontextmanager
async def launch(folder: Path) -> AsyncIterator[Browser]:
    """A fresh browser until the block ends; a clear failure where there is no Chromium."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is not installed: apt-get install chromium"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run", "--hide-scrollbars"]
    own = [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900", "--lang=en-US"]
    command: Sequence[str] = [program, *flags, *quiet, *own, "about:blank"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "chromium.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            address = await _find_address(folder / "chromium.log")
            async with websockets.connect(address, max_size=None, proxy=None, compression=None) as socket:
                browser = Browser(socket, folder)
                yield browser
                browser.reader.cancel()
        finally:
            process.terminate()
            process.wait(timeout=20)


@asynccontextmanager
async def browser_page(folder: Path) -> AsyncIterator[Page]:
    """A page of a fresh browser."""
    async with launch(folder) as browser, browser.page() as page:
        yield page


async def _find_address(log: Path) -> str:
    for _ in range(600):
        found = re.search(r"ws://127\.0\.0\.1:\d+/devtools/browser/\S+", log.read_text())
        if found:
            return found[0]
        await asyncio.sleep(STEP)
    raise AssertionError(log.read_text())
