"""The card of a model: what it finds, how well, and what it was made of, for people."""

from collections.abc import Mapping

from maskrcnn.network.facts import Facts

SCORES = {  # titles by the metrics of the stage `evaluate`
    "AP50": "AP at IoU 0.50, as Matterport averages it",
    "rAP": "mean of it over IoU 0.50 to 0.95",
    "cityscapes_AP": "Cityscapes AP",
    "coco_AP": "COCO AP",
}
BY_CLASS, COUNT = "cAP_", "images"
UNSTATED = "not stated"


def format_card(name: str, facts: Facts, scores: Mapping[str, float | None]) -> str:
    """Returns a card in Markdown; the same facts and scores give the same text.

    Args:
        name: Of the variant; its file is `models/<name>.h5`.
        facts: Those of the file.
        scores: Metrics of the test images by name, as the stage `evaluate` writes them.
    """
    height, width = facts.image_shape
    model = facts.architecture
    parts = [
        f"# {name}\n",
        f"A Mask R-CNN with the backbone {model.backbone}. It finds {len(facts.class_names)} classes in photos, "
        f"each object with a box, a score and a mask. It sees images at {height} x {width} pixels ({facts.fit}).\n",
        f"    maskrcnn predict --model models/{name}.h5 photo.jpg\n",
        "```python\nimport maskrcnn\n\n"
        f'network = maskrcnn.load("models/{name}.h5")\nprint(network.facts.class_names)\n```\n',
        f"## Scores on the {_format(scores.get(COUNT))} test images\n",
        _table("score", "value", {title: _format(scores.get(key)) for key, title in SCORES.items()}),
        _table("class", "AP50", {key: _format(scores.get(f"{BY_CLASS}{key}")) for key in facts.class_names}),
        "`docs/protocols.md` defines the scores.\n",
        "## Training\n",
        _table("best epoch", "value", {key: f"{value:.4g}" for key, value in sorted(facts.metrics.items())}),
        "## Licence of the data\n",
        f"{facts.licence or UNSTATED}\n",
        "## Made with\n",
        _table("package", "version", facts.packages),
        "Commit: that of this file, `git log -1 --format=%H -- FILE`. Weights do not state one, so that the same "
        "training gives the same bytes at every commit.\n",
    ]
    return "\n".join(part for part in parts if part)


def _format(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _table(first: str, second: str, rows: Mapping[str, str]) -> str:
    """Returns a table of two columns; nothing if it has no rows."""
    lines = [f"| {first} | {second} |", "|---|---:|", *(f"| {_escape(key)} | {value} |" for key, value in rows.items())]
    return "\n".join(lines) + "\n" if rows else f"{UNSTATED}\n"


def _escape(text: str) -> str:
    return text.replace("|", r"\|")
