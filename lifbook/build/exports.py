"""The table of what can be exported, from the measurements in benchmarks/exports.json."""

import json
import re

from .project import ROOT

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
                reasons.setdefault(first_sentence(result["known"]), []).append(f"`{layer}`")
        if column not in columns:  # why most cannot
            reason = max(reasons, key=lambda reason: len(reasons[reason]))
            reasons = {reason: None}
        for reason, layers in reasons.items():
            which = "not " + ", ".join(layers) if layers else "no layer"
            lines.append(f"- {column}: {which}. {reason}.")
    return "\n".join(lines)


def first_sentence(reason):
    """An exporter's error up to its first full stop, as words of a page."""
    return re.split(r"[.:] |\.?\s*$", reason.partition(": ")[2], maxsplit=1)[0].replace("`", "")


def can(result):
    """Whether a layer runs there as in Keras, at least for a shape that is given."""
    return result["known"] is None


def cell(result):
    """What the table says of one layer in one format."""
    if not can(result):
        return "no"
    return "fixed" if result["unknown"] else "any"
