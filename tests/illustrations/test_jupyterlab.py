"""The illustrations in a live JupyterLab: what the reader moves is seen in Python, and what Python sets is drawn."""

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

from lifbook.illustrations import Credit, Encoding, Learning, Membrane, Modes
from patience import HANG
from lifbook.build.project import ROOT
from chrome import BROWSER, FLAGS, in_a_browser

# What is seen of each: where its page keeps it, and what it should be.
SHOWN = {
    Membrane: ("exact.potential", lambda membrane: membrane.simulate()[1]),
    Credit: ("credit", lambda credit: credit.credit()),
    Modes: ("volleys.potential", lambda modes: modes.simulate()[1][0]),
    Encoding: ("regular.spikes", lambda encoding: encoding.spikes("regular").ravel()),
    Learning: ("A.probability", lambda learning: learning.answers()["A"]),
}
NAMES = [kind.__name__ for kind in SHOWN]
NOTEBOOK = [
    f"from lifbook.illustrations import {', '.join(NAMES)}",
    *[f"{name.lower()} = {name}()\n{name.lower()}" for name in NAMES],
    f"all_of_them = [{', '.join(NAMES).lower()}]\n"
    "print('leaks', *[f'{each.leak:.3f}' for each in all_of_them])\n"
    "for each in all_of_them:\n    each.leak = 0.25",
]

pytestmark = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"), reason="no chromium here: JupyterLab was not seen in one"
)


@pytest.fixture
def laboratory(tmp_path, request):
    """The address of a JupyterLab with one notebook: NOTEBOOK, or the cells that a test asks for."""
    cells = [new_code_cell(source) for source in getattr(request, "param", NOTEBOOK)]
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


def wait_for(address, server):
    for _ in range(HANG):
        assert server.poll() is None, "JupyterLab did not start"
        try:
            return urllib.request.urlopen(f"{address}/api", timeout=HANG).close()
        except OSError:
            time.sleep(1)
    raise TimeoutError(address)


def test_reader_and_python_move_the_same_parameters(laboratory):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * HANG)
        page = browser.new_page(viewport={"width": 1280, "height": 6200})
        page.set_default_timeout(1000 * HANG)
        page.goto(f"{laboratory}/lab/tree/live.ipynb")
        editors = page.locator(".jp-Notebook .jp-Cell .cm-content")
        page.get_by_text(
            "| Idle"
        ).wait_for()  # cells that are run before the page has the kernel are passed over
        editors.first.click()
        for _ in NOTEBOOK[:-1]:
            page.keyboard.press("Shift+Enter")
        stages = page.locator(".lif-stage")
        stages.nth(len(SHOWN) - 1).wait_for()
        for stage in stages.all():
            slider = stage.get_by_label("leak λ", exact=True)
            slider.press("ArrowRight")
            slider.press("ArrowRight")
        editors.nth(len(NOTEBOOK) - 1).click()
        page.keyboard.press("Shift+Enter")
        # Two steps of each slider, seen in Python.
        moved = [kind().leak + 2 * kind.leak.bounds[2] for kind in SHOWN]
        page.get_by_text(" ".join(["leaks", *[f"{leak:.3f}" for leak in moved]]), exact=True).wait_for()
        # And what Python set, seen in the page.
        page.wait_for_function(
            "[...document.querySelectorAll('.lif-stage')].every((stage) => stage.parameters.leak === 0.25)"
        )
        for stage, (kind, (path, expected)) in zip(stages.all(), SHOWN.items(), strict=True):
            assert stage.locator("input[name=leak]").input_value() == "0.25"
            drawn = stage.evaluate(
                "(stage, path) => [...path.split('.').reduce((value, name) => value[name], stage.result)]",
                path,
            )
            np.testing.assert_allclose(drawn, expected(kind(leak=0.25)), atol=1e-12)
        browser.close()
