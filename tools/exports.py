"""The table of what can be exported, from the measurements in benchmarks/exports.json."""

import json
import re

from project import ROOT

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def table():
    """A row for each layer, a column for each format and backend that can; below it what cannot be had, and why."""
    path = ROOT / "benchmarks" / "exports.json"
    if not path.exists():
        return "*not recorded yet*"
    measured = json.loads(path.read_text(encoding="utf-8"))
    formats = list(measured["tensorflow"]["formats"])
    results = {
        f"{format}, {NAMES[backend]}": measured[backend]["formats"][format]
        for format in formats
        for backend in NAMES
        if backend in measured
    }
    columns = [column for column, found in results.items() if any(map(can, found.values()))]
    lines = [f"| layer | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for layer in results[columns[0]]:
        lines.append(f"| `{layer}` | {' | '.join(cell(results[column][layer]) for column in columns)} |")
    lines.append("")
    for column, found in results.items():
        reasons = {}
        for layer, result in found.items():
            if not can(result):
                reasons.setdefault(first_sentence(result["known"]), []).append(layer)
        for reason, layers in reasons.items():
            lines.append(f"- {column}: {which(layers, list(found))}. {reason}.")
    return "\n".join(lines)


def which(layers, known):
    """What a list of layers that cannot be had is called: in words where it is nearly all."""
    others = [f"`{layer}`" for layer in known if layer not in layers]
    if len(others) > len(layers):
        return "not " + ", ".join(f"`{layer}`" for layer in layers)
    return "no layer" + (f" but {', '.join(others)}" if others else "")


def first_sentence(reason):
    """An exporter's error up to its first full stop, as words of a page."""
    return re.split(r"[.:] |\.?\s*$", reason.partition(": ")[2], maxsplit=1)[0].replace("`", "")


def can(result):
    """Whether a layer runs there as in Keras, at least for a shape that is given."""
    return result["known"] is None


def cell(result):
    if not can(result):
        return "no"
    return "fixed shape" if result["unknown"] else "any shape"
