"""Each page in a real browser: light and dark, phone and desk, with the network cut off."""

import functools
import http.server
import os
import shutil
import threading

import pytest

from project import BUILD, pages

HTML = BUILD / "html"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Proves that nothing outside is asked for: no other name resolves.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

BRIGHTNESS = """
    getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number).reduce((a, b) => a + b)
"""

pytestmark = [
    pytest.mark.skipif(
        BROWSER is None and not os.environ.get("CI"),
        reason="no chromium here: the pages were not seen in one",
    ),
    pytest.mark.skipif(not HTML.exists(), reason="the book has not been built: make book"),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert BROWSER, "CI must test in a browser, and there is no chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


@pytest.fixture(params=[360, 1280])
def width(request):
    return request.param


@pytest.mark.parametrize("name", pages())
def test_a_page_is_whole(name, theme, width, address, browser):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    page = context.new_page()
    troubles = []
    page.on(
        "console",
        lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    page.on(
        "request", lambda request: troubles.append(request.url) if _outside(request.url, address) else None
    )
    page.on("response", lambda response: troubles.append(response.url) if response.status >= 400 else None)
    page.goto(f"{address}/{name}.html", wait_until="networkidle")

    if page.locator(".math").count():
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
        assert page.locator(".math:not(:has(mjx-container))").count() == 0
        assert page.locator("mjx-merror").count() == 0
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert (page.evaluate(BRIGHTNESS) < 200) == (theme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate("[...document.images].filter(image => image.complete && !image.naturalWidth).length")
        == 0
    )
    assert page.evaluate("[...document.images].filter(image => !image.alt.trim()).length") == 0
    context.close()
    assert troubles == []


def test_a_figure_can_be_enlarged_on_a_phone(address, browser):
    """If this fails, the letters in the figures cannot be read on a phone, or a figure widens the page."""
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(f"{address}/chapters/02-gradient.html", wait_until="networkidle")
    sheet = page.locator(".lif-sheet").first
    box, image = sheet.get_by_label("enlarge"), sheet.locator("img")
    assert image.bounding_box()["width"] <= 360
    box.focus()
    page.keyboard.press("Space")
    assert image.bounding_box()["width"] > 600
    assert sheet.locator("> div").evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert box.bounding_box()["x"] < 360
    page.keyboard.press("Space")
    assert image.bounding_box()["width"] <= 360
    page.set_viewport_size({"width": 1280, "height": 800})
    assert not box.is_visible()
    page.close()


def test_a_page_works_from_the_file_itself(browser):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((HTML / "chapters" / "notation.html").as_uri())
    page.wait_for_selector("mjx-container")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.close()


def _outside(url, address):
    return not url.startswith((address, "data:", "blob:"))
