"""A headless Chromium that tests drive through its DevTools protocol, over two pipes: no port, no package.

Messages are JSON, each ended by a zero byte; the browser reads file descriptor 3 and writes file descriptor 4.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT = 60.0
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-component-update", "--disable-default-apps", "--disable-sync", "--mute-audio", "--disable-extensions",
    "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip


def find_chromium() -> str | None:
    """Return the browser's program, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A running browser; a context manager that ends it.

    Args:
        program: what to run.
        profile: an empty directory for its files.
    """

    def __init__(self, program: str, profile: Path) -> None:
        reads, self._writer = _high_pipe()
        self._reader, writes = _high_pipe()
        arguments = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        quiet = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, quiet, number) for number in (0, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, reads, 3), (os.POSIX_SPAWN_DUP2, writes, 4)]
        self._pid = os.posix_spawn(program, arguments, os.environ | {"HOME": str(profile)}, file_actions=actions)
        for number in (quiet, reads, writes):
            os.close(number)
        self._buffer = b""
        self._last = 0
        self._events: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.call("Browser.close")
        except (OSError, TimeoutError):
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._writer)
        os.close(self._reader)
        deadline = time.monotonic() + 10
        while os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.05)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile wait for `next_event`."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writer, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._events.append(answer)

    def next_event(self) -> dict[str, Any]:
        """Return the next event, waiting for it."""
        return self._events.popleft() if self._events else self._receive()

    def open(self, url: str, *, width: int = 1200, height: int = 900, dark: bool = False, scale: float = 1.0) -> "Page":
        """Load an address in a page of its own and wait until it and all that it asks for is there."""
        return Page(self, url, width=width, height=height, dark=dark, scale=scale)

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT
        while b"\0" not in self._buffer:
            if not select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the browser said nothing for {TIMEOUT:.0f} s")
            data = os.read(self._reader, 1 << 20)
            if not data:
                raise OSError("the browser has ended")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """One page.

    Attributes:
        complaints: what its console said, and its uncaught errors.
        requests: addresses that it asked for, its own first; data URIs count.
    """

    def __init__(self, browser: Chromium, url: str, *, width: int, height: int, dark: bool, scale: float) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._target = target
        self.complaints: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        failure = self._call("Page.navigate", url=url).get("errorText")
        if failure:
            raise RuntimeError(f"{url}: {failure}")
        self._wait_for("Page.loadEventFired")
        self.settle()

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of a JavaScript expression; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait for two frames, and take note of everything that happened so far."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        while self._browser._events:
            self._note(self._browser.next_event())

    def press(self, key: str, *, code: int = 0, text: str = "") -> None:
        """Press and release a key on whatever has the focus."""
        extra = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **extra)
        self.settle()

    def write(self, text: str) -> None:
        """Type text into whatever has the focus."""
        self._call("Input.insertText", text=text)
        self.settle()

    def click(self, selector: str) -> None:
        """Click with the mouse in the middle of the first element that matches."""
        x, y = self.evaluate(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView({{block: "
            "'center', behavior: 'instant'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of what is to be seen, or of the whole page."""
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """Close the page."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def _wait_for(self, event: str) -> None:
        while True:
            message = self._browser.next_event()
            self._note(message)
            if message.get("sessionId") == self._session and message["method"] == event:
                return

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("sessionId") != self._session:
            return
        parameters = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif message["method"] == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(one.get("value")) for one in parameters["args"]))
        elif message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]["exception"].get("description")))
        elif message["method"] == "Log.entryAdded":
            self.complaints.append(str(parameters["entry"]["text"]))


def _high_pipe() -> tuple[int, int]:
    """Return a pipe whose ends are far from 3 and 4, which the child gets."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
