"""Headless Chromium driven over its own protocol."""

import asyncio
import base64
import itertools
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets


class Page:
    """One tab: what it loads, and what a script in it says."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            if "id" in message:
                self.answers.pop(message["id"]).set_result(message)
            elif message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            elif message["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(message["params"])[:500])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.answers[number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer = await asyncio.wait_for(self.answers[number], 30)
        result: dict[str, Any] = answer.get("result", {})
        return result

    async def open(self, url: str) -> None:
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def resize(self, width: int, height: int) -> None:
        """The page as wide and high as that, in pixels of a picture of it."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def evaluate(self, script: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found.get("result", {}).get("value")

    async def wait_for(self, script: str, seconds: float = 30) -> Any:
        for _ in range(int(seconds * 10)):
            value = await self.evaluate(script)
            if value:
                return value
            await asyncio.sleep(0.1)
        raise AssertionError(f"never true: {script}; the page says {self.complaints}")

    async def draw(self) -> bytes:
        """What it looks like, as a PNG."""
        picture = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(picture["data"])


@asynccontextmanager
async def browser_page(folder: Path) -> AsyncIterator[Page]:
    """A page of a fresh browser; a clear failure where there is no Chromium."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is not installed: apt-get install chromium"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    own = [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900"]
    command = [program, *flags, *quiet, *own, "about:blank"]
    with (folder / "chromium.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            address = await _target(folder / "chromium.log")
            async with websockets.connect(address, max_size=None, proxy=None) as socket:
                page = Page(socket)
                yield page
                page.reader.cancel()
        finally:
            process.terminate()
            process.wait(timeout=20)


async def _target(log: Path) -> str:
    for _ in range(200):
        found = re.search(r"ws://(127\.0\.0\.1:\d+)/", log.read_text())
        if found:
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError(log.read_text())
    targets = await asyncio.to_thread(_targets, found[1])
    return next(str(target["webSocketDebuggerUrl"]) for target in targets if target["type"] == "page")


def _targets(host: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"http://{host}/json/list", timeout=10) as answer:
        found: list[dict[str, str]] = json.load(answer)
        return found
