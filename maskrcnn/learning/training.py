"""The final training: a recipe is trained to its end, and its weights, losses and history are written."""

from pathlib import Path

import pandas as pd

from maskrcnn.learning.checkpoints import STATE_FILE, load_progress, open_checkpoints
from maskrcnn.learning.fit import fit
from maskrcnn.learning.recipe import Recipe, assemble, fingerprint_recipe
from maskrcnn.network.weights import write_weights
from maskrcnn.project.config import Schedule
from maskrcnn.project.files import write_text
from maskrcnn.project.metrics import write_metrics


def train(recipe: Recipe, *, inputs: Path, root: Path, stage: str, name: str, kernel_dtype: str = "float32") -> None:
    """Trains and writes the best epoch's weights; a stopped training is resumed.

    Writes `models/<name>.h5`, `plots/history/<name>.csv` and `metrics/train/<name>.json`.

    Args:
        recipe: One with hyperparameters.
        inputs: Folder that all paths of the recipe start from.
        root: Folder of the repository.
        stage: Folder of the checkpoints, below that of all checkpoints.
        name: Of the files.
        kernel_dtype: Type of the kernels in the file of weights.
    Raises:
        Divergence: if a loss becomes NaN or infinite.
    """
    schedule, hyperparameters = recipe.schedule, recipe.hyperparameters
    assert isinstance(schedule, Schedule) and hyperparameters
    trainer, training, validation = assemble(recipe, inputs)
    history = root / f"plots/history/{name}.csv"
    with open_checkpoints(root, stage, fingerprint_recipe(recipe, inputs)) as checkpoints:
        best = fit(
            trainer,
            training,
            validation,
            hyperparameters=hyperparameters,
            schedule=schedule,
            history=history,
            checkpoints=checkpoints,
            live=root / f"live/{name}",
        )
        write_weights(trainer.network, root / f"models/{name}.h5", kernel_dtype=kernel_dtype)
        write_metrics(root / f"metrics/train/{name}.json", best)
        # `fit` writes the history at the end of an epoch. If the training had ended before, there was none.
        progress = load_progress(checkpoints / STATE_FILE)
        assert progress
        write_text(history, pd.DataFrame(progress["rows"]).to_csv(index=False))
