"""What an illustration costs its page: bytes, and milliseconds from a slider's move to the drawing.

    python benchmarks/illustrations.py [OUT.json]

Needs Chromium. The clock runs from the slider's event until the page has been drawn into and laid out; painting the
pixels is the browser's own affair. It ends with an error where a median is above the bound, one picture at 60 a second.
"""

import gzip
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

MOVES = 60
BOUND = 16  # milliseconds, a picture at 60 a second

MOVE_A_SLIDER = """(moves) => {
    const slider = document.querySelector("input[name=leak]") ?? document.querySelector("input[type=range]");
    const waiting = window.requestAnimationFrame;
    window.requestAnimationFrame = (draw) => void draw(); // now, so that the clock sees the work, not the wait
    const times = [];
    for (let i = 0; i < moves; i++) {
        slider.value = Number(slider.min) + (i % 30 + 1) / 31 * (slider.max - slider.min);
        const start = performance.now();
        slider.dispatchEvent(new Event("input"));
        document.querySelector(".lif-stage").getBoundingClientRect(); // and the layout
        times.push(performance.now() - start);
    }
    window.requestAnimationFrame = waiting;
    return times;
}"""


def defaults(kind):
    """An illustration as its chapter shows it first; the episode to be played is the recorded run's."""
    from lifbook import recorded

    return kind(episode=recorded("23-control").value("episode")) if kind.__name__ == "Balance" else kind()


def measure(browser, kind, folder):
    markup = defaults(kind)._repr_mimebundle_()[0]["text/html"]
    path = Path(folder) / f"{kind.__name__}.html"
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>One</title>{markup}')
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.goto(path.as_uri())
    milliseconds = page.evaluate(MOVE_A_SLIDER, MOVES)
    page.close()
    return {
        "compressed_bytes": len(gzip.compress(markup.encode(), mtime=0)),
        "median_milliseconds": round(statistics.median(milliseconds), 2),
        "slowest_milliseconds": round(max(milliseconds), 2),
    }


def main():
    from playwright.sync_api import sync_playwright

    # Illustrations show themselves as in the book.
    os.environ |= {"LIF_CHAPTER": "benchmark", "LIF_PROFILE": "quick", "LIF_RESULTS": os.devnull}
    from lifbook import illustrations
    from lifbook._files import write

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        report = {
            "browser": browser.version,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "moves": MOVES,
            "illustrations": {
                name: measure(browser, getattr(illustrations, name), folder) for name in illustrations.__all__
            },
        }
        browser.close()
    print(json.dumps(report, indent=1))
    if len(sys.argv) > 1:
        write(sys.argv[1], json.dumps(report, indent=1) + "\n")
    slow = [name for name, each in report["illustrations"].items() if each["median_milliseconds"] > BOUND]
    if slow:
        sys.exit(f"Slower than {BOUND} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
