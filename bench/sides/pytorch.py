"""Torchvision's side of `bench/peers.py`: pytorch.py training|inference FOLDER.

Its network differs: no batch norm in the heads, 512 ROIs, no weights shared with ours.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from clock import serve
from torchvision.models.detection import maskrcnn_resnet50_fpn


def main(work: str, folder: Path) -> None:
    """Serves one work until standard input ends."""
    torch.manual_seed(0)
    scene = np.load(folder / "scene.npz")
    height, width = scene["image"].shape[:2]
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=11,
        min_size=height,
        max_size=width,
        trainable_backbone_layers=5,
    )
    image = torch.from_numpy(scene["image"]).permute(2, 0, 1).float() / 255
    serve(training(model, image, scene) if work == "training" else inference(model, image))


def training(
    model: torch.nn.Module, image: torch.Tensor, scene: np.lib.npyio.NpzFile
) -> dict[str, Callable[[], object]]:
    """Returns the step of all layers, whose result is the losses."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    real = scene["class_ids"] > 0
    target = {
        "boxes": torch.from_numpy(scene["boxes"][real][:, [1, 0, 3, 2]].astype(np.float32)),
        "labels": torch.from_numpy(scene["class_ids"][real].astype(np.int64)),
        "masks": torch.from_numpy(scene["masks"][real].astype(np.uint8)),
    }

    def step() -> list[float]:
        losses = model([image], [target])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return [float(loss) for loss in losses.values()]

    return {"training": step}


def inference(model: torch.nn.Module, image: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Returns the whole detection, masks included; the result is a count of objects."""
    model.eval()
    model.roi_heads.score_thresh = 0.0

    def run() -> int:
        with torch.inference_mode():
            return len(model([image])[0]["scores"])

    return {"inference": run}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
