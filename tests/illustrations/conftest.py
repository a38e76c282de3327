"""What tests of illustrations share: their arithmetic run as a script, a page of one illustration, a JupyterLab."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from chrome import NODE
from lifbook.build.project import ROOT
from patience import HANG


@pytest.fixture
def in_book(monkeypatch):
    for name, value in {"CHAPTER": "01-membrane", "PROFILE": "quick", "RESULTS": os.devnull}.items():
        monkeypatch.setenv(f"LIF_{name}", value)


@pytest.fixture
def compute(request):
    """Runs `answer(question)` of a script, in Node where there is one, else in the browser."""

    def run(script, question):
        if NODE is None:
            page = request.getfixturevalue("browser").new_page()
            text = page.evaluate(
                f"() => {{ {script}\nreturn JSON.stringify(answer({json.dumps(question)})); }}"
            )
            page.close()
            return json.loads(text)
        program = f"{script}\nconsole.log(JSON.stringify(answer({json.dumps(question)})));"
        done = subprocess.run(
            [NODE, "--input-type=module", "-"], input=program, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


class Opened:
    """An illustration in a page of its own."""

    def __init__(self, browser, folder, widget, **context):
        data, _ = widget._repr_mimebundle_()
        path = folder / "page.html"
        path.write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            "<title>One</title><style>html{color-scheme:light dark} body{margin:8px;color:CanvasText}</style>"
            f"<body>{data['text/html']}</body></html>",
            encoding="utf-8",
        )
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * HANG)
        self.troubles, self.widget, self.time_is_held = [], widget, False
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "request", lambda request: self.troubles.append(request.url) if self._outside(request) else None
        )
        self.page.goto(path.as_uri())

    def _outside(self, request):
        return not request.url.startswith(("data:", "blob:", "file:"))

    def hold_time(self):
        """From here on time stands still in the page and passes only by `pass_time`, however busy the machine is."""
        self.page.clock.install(time=0)
        self.page.clock.pause_at(1000)
        self.time_is_held = True

    def pass_time(self, milliseconds):
        self.page.clock.run_for(milliseconds)

    def settle(self):
        """Waits until what was changed has been drawn."""
        if self.time_is_held:
            return self.pass_time(40)
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def state(self):
        """The parameters in the page, and a widget of them in Python."""
        self.settle()
        parameters = self.page.evaluate("document.querySelector('.lif-stage').parameters")
        fixed = {name: getattr(self.widget, name) for name in self.widget._fixed if not name.startswith("_")}
        return type(self.widget)(**fixed, **parameters)

    def result(self, path):
        """A sequence of the result, such as `exact.spikes`."""
        self.settle()
        return np.array(self.page.evaluate(f"[...document.querySelector('.lif-stage').result.{path}]"))

    def press(self, label, *keys):
        control = self.page.get_by_label(label, exact=True)
        control.focus()
        for key in keys:
            control.press(key)

    def summary(self):
        self.settle()
        return self.page.locator(".lif-summary").inner_text()

    def close(self):
        self.context.close()
        assert self.troubles == []


@pytest.fixture
def opened(browser, tmp_path, in_book):
    pages = []

    def show(widget, **context):
        pages.append(Opened(browser, tmp_path, widget, **context))
        return pages[-1]

    yield show
    for each in pages:
        each.close()


@pytest.fixture
def laboratory(tmp_path, request):
    """The address of a JupyterLab with one notebook, of the cells that a test asks for by `request.param`."""
    cells = [new_code_cell(source) for source in request.param]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "live.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIF_")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    options += ["--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={tmp_path}"]
    with open(tmp_path / "lab.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(HANG)


@pytest.fixture
def notebook(laboratory, browser):
    """Opens the laboratory's notebook and runs its first cells: the page, and the editors of its cells."""
    pages = []

    def run(cells, height):
        page = browser.new_page(viewport={"width": 1280, "height": height})
        pages.append(page)
        page.set_default_timeout(1000 * HANG)
        page.goto(f"{laboratory}/lab/tree/live.ipynb")
        editors = page.locator(".jp-Notebook .jp-Cell .cm-content")
        page.get_by_text(
            "| Idle"
        ).wait_for()  # cells that are run before the page has the kernel are passed over
        editors.first.click()
        for _ in range(cells):
            page.keyboard.press("Shift+Enter")
        return page, editors

    yield run
    for page in pages:
        page.close()


def wait_for(address, server):
    for _ in range(HANG):
        assert server.poll() is None, "JupyterLab did not start"
        try:
            return urllib.request.urlopen(f"{address}/api", timeout=HANG).close()
        except OSError:
            time.sleep(1)
    raise TimeoutError(address)
