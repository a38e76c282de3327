"""Makes `results/headline.json` and the README's table from the recorded full runs, so that neither is typed.

What they show stands in `results/headlines.yml`.
"""

from .._files import dumps, read_yaml, write
from ..runs import Run
from .project import RESULTS, ROOT

BEGIN, END = "<!-- results: made by lifbook/build/headline.py -->", "<!-- /results -->"


def update():
    """Rewrites both files."""
    write(RESULTS / "headline.json", dumps(headlines()))
    readme = ROOT / "README.md"
    write(readme, with_table(readme.read_text(encoding="utf-8"), table()))


def headlines():
    """What each headline has, {value, sd, seeds, chapter}, where it has been recorded on real data."""
    found = {}
    for name, facts in _wanted().items():
        path = RESULTS / "full" / f"{facts['chapter']}.json"
        run = Run.read(path) if path.exists() else Run()
        entry = run.entry(facts.get("metric", name))
        if entry is not None and run.source == "real":
            found[name] = {"value": entry["mean"], "sd": entry["sd"], "seeds": entry["n"]}
            found[name] |= {"chapter": facts["chapter"]}
    return found


def _wanted():
    return read_yaml(RESULTS / "headlines.yml")


def table(values=None):
    """The values as a Markdown table, by default those of `headlines`."""
    values, wanted = headlines() if values is None else values, _wanted()
    if not values:
        return "No full run has been recorded yet: `make full`."
    rows = ["| result, and its chapter | measured | seeds |", "|---|---|---|"]
    for name, entry in values.items():
        unit = wanted[name].get("unit", "")
        scale, digits = (100, 2) if unit else (1, 1)
        spread = f" ± {scale * entry['sd']:.{digits}f}" if entry["seeds"] > 1 else ""
        value = f"{scale * entry['value']:.{digits}f}{spread} {unit}".strip().replace("-", "−")
        title = f"[{wanted[name]['title']}](chapters/{entry['chapter']}.ipynb)"
        rows.append(f"| {title} | {value} | {entry['seeds']} |")
    return "\n".join(rows)


def with_table(readme, rows):
    """The README with its table of results renewed."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{rows}\n{END}{rest.split(END)[1]}"
