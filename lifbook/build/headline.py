"""Makes `results/headline.json` and the README's table from the recorded full runs, so that neither is typed."""

from .._files import dumps, write
from ..runs import Run
from .project import RESULTS, ROOT

# Name in headline.json -> (what the table calls it, chapter, metric in that chapter's results).
HEADLINES = {
    "iris_accuracy": ("IRIS, four-feature table", "03-iris", "iris_accuracy"),
    "mnist_dense_accuracy": ("MNIST, dense network", "04-mnist", "mnist_accuracy"),
    "mnist_conv_accuracy": ("MNIST, convolutional network", "11-nets", "mnist_conv_accuracy"),
    "flowers10_accuracy": ("Oxford 102, ten largest classes, LIF head", "08-flowers", "flowers10_accuracy"),
    "flowers102_accuracy": ("Oxford 102, all classes, LIF head", "08-flowers", "flowers102_accuracy"),
    "flowers102_dense_head_accuracy": (
        "Oxford 102, all classes, ReLU head",
        "08-flowers",
        "flowers102_dense_head_accuracy",
    ),
    "iris_photos_accuracy": (
        "Iris photographs, two in three of one species, LIF head",
        "09-iris-photos",
        "iris_photos_accuracy",
    ),
    "iris_photos_balanced_accuracy": (
        "Iris photographs, LIF head, balanced over the three species",
        "09-iris-photos",
        "iris_photos_balanced_accuracy",
    ),
    "coarse_lenet5_t4_mnist_accuracy": (
        "MNIST, LeNet-5 of coarse neurons, four steps",
        "21-short-trains",
        "coarse_lenet5_t4_mnist_accuracy",
    ),
    "coarse_analog_t4_mnist_accuracy": (
        "MNIST, LeNet-5 of coarse neurons, four steps, analog input",
        "21-short-trains",
        "coarse_analog_t4_mnist_accuracy",
    ),
    "coarse_transfer_loss": (
        "MNIST, LeNet-5 of coarse neurons, lost in continuous time",
        "22-continuous",
        "coarse_transfer_loss",
    ),
    "cartpole_return": ("CartPole, return of 500 at most, LIF policy", "23-control", "cartpole_return"),
    "softlif_mnist_spiking_accuracy": (
        "MNIST, soft LIF network when it spikes",
        "31-conversion",
        "softlif_mnist_spiking_accuracy",
    ),
    "softlif_cifar10_spiking_accuracy": (
        "CIFAR-10, soft LIF network when it spikes",
        "31-conversion",
        "softlif_cifar10_spiking_accuracy",
    ),
    "softlif_cifar10_rate_accuracy": (
        "CIFAR-10, soft LIF network as rates",
        "31-conversion",
        "softlif_cifar10_rate_accuracy",
    ),
    "cifar10_conversion_loss": (
        "CIFAR-10, soft LIF network: accuracy lost on conversion",
        "31-conversion",
        "cifar10_conversion_loss",
    ),
    "deeper_rate_accuracy": (
        "CIFAR-10, seven layers of soft LIF, as rates (all test pictures)",
        "34-deeper",
        "deeper_rate_accuracy",
    ),
    "deeper_spiking_accuracy": (
        "CIFAR-10, seven layers of soft LIF, when they spike (a part of the test pictures)",
        "34-deeper",
        "deeper_spiking_accuracy",
    ),
}
BEGIN, END = "<!-- results: made by lifbook/build/headline.py -->", "<!-- /results -->"


def update():
    """Rewrites both files."""
    values = headlines()
    write(RESULTS / "headline.json", as_json(values))
    readme = ROOT / "README.md"
    write(readme, with_table(readme.read_text(encoding="utf-8"), values))


def headlines():
    """name -> {value, sd, seeds, chapter}, for what has been recorded on real data."""
    found = {}
    for name, (_, chapter, metric) in HEADLINES.items():
        path = RESULTS / "full" / f"{chapter}.json"
        run = Run.read(path) if path.exists() else Run()
        entry = run.entry(metric)
        if entry is not None and run.source == "real":
            found[name] = {"value": entry["mean"], "sd": entry["sd"], "seeds": entry["n"], "chapter": chapter}
    return found


def as_json(values):
    return dumps(values)


def table(values):
    """The values as a Markdown table."""
    if not values:
        return "No full run has been recorded yet: `make full`."
    rows = ["| result, and its chapter | measured | seeds |", "|---|---|---|"]
    for name, entry in values.items():
        scale, digits, unit = (1, 1, "") if name.endswith("_return") else (100, 2, " %")
        unit = " points" if name.endswith("_loss") else unit
        spread = f" ± {scale * entry['sd']:.{digits}f}" if entry["seeds"] > 1 else ""
        value = f"{scale * entry['value']:.{digits}f}{spread}{unit}".replace("-", "−")
        rows.append(
            f"| [{HEADLINES[name][0]}](chapters/{entry['chapter']}.ipynb) | {value} | {entry['seeds']} |"
        )
    return "\n".join(rows)


def with_table(readme, values):
    """The README with its table of results renewed."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table(values)}\n{END}{rest.split(END)[1]}"
