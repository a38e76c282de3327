"""The table of what can be exported, from the measurements in benchmarks/exports.json."""

import json

from project import ROOT

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def table():
    """A row for each layer, a column for each format and backend; behind it why the rest cannot be had."""
    found = json.loads((ROOT / "benchmarks" / "exports.json").read_text(encoding="utf-8"))
    formats = list(found["tensorflow"]["formats"])
    columns = [(format, backend) for format in formats for backend in NAMES if backend in found]
    rows = [
        "| layer | " + " | ".join(f"{format}, {NAMES[backend]}" for format, backend in columns) + " |",
        "|---" * (1 + len(columns)) + "|",
    ]
    reasons = {}  # of a format on a backend, in the words of its exporter: the layers
    for layer in found["tensorflow"]["formats"][formats[0]]:
        cells = []
        for format, backend in columns:
            result = found[backend]["formats"][format][layer]
            cells.append(_cell(result))
            if result["known"]:
                reasons.setdefault((format, backend, result["known"]), []).append(layer)
        rows.append(f"| `{layer}` | " + " | ".join(cells) + " |")
    lines = [
        f"- {format}, {NAMES[backend]}, {_listed(layers, len(rows) - 2)}: `{reason}`"
        for (format, backend, reason), layers in reasons.items()
    ]
    return "\n".join([*rows, "", *lines])


def _cell(result):
    if result["known"]:
        return "no"
    return "fixed shape" if result["unknown"] else "any shape"


def _listed(layers, count):
    return "all layers" if len(layers) == count else ", ".join(f"`{layer}`" for layer in layers)
