"""The ledger: what the papers claim, what was measured, and the verdict, which is computed and never typed.

`results/claims.yml` has two parts. `claims` are findings: one that does not hold is reported, not hidden, and stops
nothing. `checks` are this project's own tests of its numbers: one outside its band stops the build.
"""

from pathlib import Path

from ._checks import is_number
from ._files import read_yaml
from .runs import Run

HOLDS = "holds"
QUALIFIED = "holds with a qualification"
FAILS = "does not hold"
UNTESTED = "not tested"

_MARKS = {HOLDS: "✓", QUALIFIED: "≈", FAILS: "✗", UNTESTED: "–"}  # told apart without colour

_TEXTS = {"id", "source", "claim", "chapter", "metric", "why", "note"}
_CLAIM_KEYS = {"id", "source", "claim", "chapter", "metric", "confirm"}
_CHECK_KEYS = {"chapter", "metric", "quick", "full", "why"}


def load(root):
    """The ledger of a checkout: `{"claims": [...], "checks": [...]}`.

    Raises:
        ValueError: the file is no YAML; it or an entry lacks a key or has one too many, or something else than text
            where text belongs; a key or an id comes twice; a band is not `[low, high]`; or an interval is not in
            (0, 1).
        ImportError: PyYAML is missing (`pip install pyyaml`).
    """
    path = Path(root) / "results" / "claims.yml"
    ledger = read_yaml(path)
    parts = ledger if isinstance(ledger, dict) else {}
    if set(parts) != {"claims", "checks"} or not all(isinstance(part, list) for part in parts.values()):
        received = {name: type(part).__name__ for name, part in parts.items()} or ledger
        raise ValueError(
            f"{path} must hold two lists, claims and checks, and nothing else, received {received}"
        )
    for claim in ledger["claims"]:
        _require(claim, _CLAIM_KEYS, {"qualify", "interval", "note"})
        for part in ("confirm", "qualify"):
            bands = claim.get(part, {})
            if not isinstance(bands, dict) or set(bands) - {"quick", "full"}:
                raise ValueError(
                    f"{part} of {claim['id']} must have bands for quick and full, received {bands}"
                )
            _bands(claim["id"], bands.values())
        interval = claim.get("interval", 0.5)
        if not (is_number(interval) and 0 < interval < 1):
            raise ValueError(f"interval of {claim['id']} must be a number in (0, 1), received {interval!r}")
    for check in ledger["checks"]:
        _require(check, _CHECK_KEYS, set())
        _bands(check["metric"], [check["quick"], check["full"]])
    ids = [claim["id"] for claim in ledger["claims"]]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ValueError(f"each claim's id must be its own, received twice: {', '.join(twice)}")
    return ledger


def runs(root, profile):
    """The runs of a checkout at one profile: chapter -> `Run`. The page of claims is none: it measures nothing itself.

    Raises:
        Damaged: a file does not hold a run.
    """
    folder = Path(root) / "results" / profile
    return {path.stem: Run.read(path) for path in sorted(folder.glob("*.json")) if path.stem != "claims"}


def judge(claim, run, profile):
    """The verdict of one run on one claim. A run on stand-in data judges nothing.

    The mean over seeds has to lie in the band. A claim that two things are equal asks for more: there `interval: 0.9`
    says that the whole 90 % confidence interval of the mean has to.

    Args:
        claim: an entry of the ledger.
        run: the chapter's run, an empty one if it was not run.
        profile: "quick" or "full", which bands apply.

    Raises:
        ValueError: what the run recorded is no number.
    """
    ends = _interval(run, claim["metric"], claim["interval"]) if "interval" in claim else ()
    values = [run.value(claim["metric"]), *ends]
    band = claim["confirm"].get(profile)
    if None in values or band is None or run.source != "real":
        return UNTESTED
    if not all(map(is_number, values)):
        raise ValueError(
            f"{claim['metric']} must be a number, to judge {claim['id']} by. Received: {values[0]!r}"
        )
    if all(_inside(value, band) for value in values):
        return HOLDS
    qualify = claim.get("qualify", {}).get(profile)
    return QUALIFIED if all(_inside(value, qualify) for value in values) else FAILS


def _interval(run, metric, confidence):
    """Both ends of Student's confidence interval of a mean over seeds; `None` where it was measured once."""
    from scipy.stats import t  # comes with the book's packages, not with the module's own

    if run.prose(metric).get("_n", 1) < 2:
        return None, None
    entry = run.entry(metric)
    half = t.ppf((1 + confidence) / 2, entry["n"] - 1) * entry["sd"] / entry["n"] ** 0.5
    return entry["mean"] - half, entry["mean"] + half


def verdict(claim, quick, full):
    """The verdict on a claim and the profile it rests on: the recorded full run's where there is one.

    Args:
        claim: an entry of the ledger.
        quick, full: the runs of the claim's chapter.
    """
    judged = judge(claim, full, "full")
    if judged != UNTESTED:
        return judged, "full"
    judged = judge(claim, quick, "quick")
    return judged, "quick" if judged != UNTESTED else ""


def violations(ledger, runs, profile):
    """What stands outside its band: a list of sentences, empty where all is well.

    A check applies to real data only, and to what was recorded: a chapter not yet written violates nothing.
    """
    found = []
    for check in ledger["checks"]:
        run = runs.get(check["chapter"], Run())
        value = run.value(check["metric"])
        if value is None or run.source == "stand-in" or check[profile] is None:
            continue
        if not is_number(value):
            found.append(
                f"{check['chapter']}: {check['metric']} must be a number ({profile}). Received: {value!r}"
            )
        elif not _inside(value, check[profile]):
            low, high = check[profile]
            found.append(
                f"{check['chapter']}: {check['metric']} = {value:.6g} ({profile}), "
                f"expected {low} to {high}: {check['why']}"
            )
    return found


def as_markdown(root, source):
    """A source's claims, one after the other: the verdict, the claim, what was measured, and how it was judged."""
    return "\n\n".join(_entry(*each) for each in _with_runs(root) if each[0]["source"] == source)


def count(root):
    """How many claims got each verdict: verdict -> number."""
    given = [verdict(*each)[0] for each in _with_runs(root)]
    return {name: given.count(name) for name in (HOLDS, QUALIFIED, FAILS, UNTESTED)}


def _with_runs(root):
    """Each claim, and the quick and the full run of its chapter."""
    quick, full = runs(root, "quick"), runs(root, "full")
    return [
        (claim, *(found.get(claim["chapter"], Run()) for found in (quick, full)))
        for claim in load(root)["claims"]
    ]


def _entry(claim, quick, full):
    judged, profile = verdict(claim, quick, full)
    rests_on = {"full": ", recorded full run", "quick": ", this build", "": ""}[profile]
    lines = [
        f'<div class="lif-claim" data-verdict="{judged}">\n',
        f"**{_MARKS[judged]} {judged[0].upper()}{judged[1:]}**{rests_on}\n",
        claim["claim"].strip(),
    ]
    # A claim without a band and a run is announced: its chapter need not exist yet.
    if any(claim["confirm"].values()) or quick or full:
        lines.append(f"\n`{claim['metric']}` in [](../chapters/{claim['chapter']}.ipynb):\n")
        lines += [
            f"- {name}: {_shown(claim, run, kind)}"
            for name, run, kind in (("recorded full run", full, "full"), ("this build", quick, "quick"))
            if run
        ] or ["- not measured yet"]
    if "note" in claim:
        lines.append(f"\n{claim['note'].strip()}")
    return "\n".join([*lines, "\n</div>"])


def _shown(claim, run, profile):
    """A measured value with its spread, and the band that would confirm the claim."""
    entry, band = run.entry(claim["metric"]), claim["confirm"].get(profile)
    if entry is None:
        text = "not measured"
    elif isinstance(entry, dict):
        one = entry["n"] == 1
        text = f"{entry['mean']:.4g}" + (" (1 seed)" if one else f" ± {entry['sd']:.2g} ({entry['n']} seeds)")
    else:
        text = f"{entry:.4g}"
    if run.source == "stand-in":
        text += ", on stand-in data"
    whole = f", for the whole {claim['interval']:.0%} interval" if "interval" in claim else ""
    return text + (f" (confirmed by {_in_words(band)}{whole})" if band else " (not judged)")


def _in_words(band):
    low, high = band
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def _inside(value, band):
    if band is None:
        return False
    low, high = band
    return (low is None or low <= value) and (high is None or value <= high)


def _require(entry, keys, optional):
    if not isinstance(entry, dict):
        raise ValueError(f"an entry of the ledger must be a mapping, received {entry!r}")
    missing, unknown = keys - set(entry), set(entry) - keys - optional
    if missing or unknown:
        name = entry.get("id") or entry.get("metric") or entry
        raise ValueError(
            f"entry {name} of the ledger lacks {sorted(missing)}, and has unknown {sorted(unknown, key=str)}"
        )
    for key in sorted(_TEXTS & set(entry)):
        if not isinstance(entry[key], str):
            name = entry.get("id", entry["metric"])
            raise ValueError(f"{key} of {name} must be text, in quotes if need be, received {entry[key]!r}")


def _bands(name, bands):
    for band in bands:
        if band is not None and not _is_band(band):
            raise ValueError(
                f"a band of {name} must be [low, high], finite numbers with low <= high, one of which may be null, "
                f"or null for none, received {band!r} (in YAML 1e-3 is a string, 1.0e-3 a number)"
            )


def _is_band(band):
    if not isinstance(band, list) or len(band) != 2:
        return False
    ends = [end for end in band if end is not None]
    return bool(ends) and all(map(is_number, ends)) and ends == sorted(ends)
