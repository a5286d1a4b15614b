"""torchvision's side of `bench/gpu.py`: torchvision_gpu.py NAME; prints one JSON line.

`maskrcnn_resnet50_fpn` with its own sampling but 200 regions of which 0.33 on objects, as ours; batch norm is frozen
on both sides and all layers learn.
"""

import json
import sys
import time
from collections.abc import Callable

import torch
import torchvision
from street import CLASS_COUNT, SHAPE, STEPS, TRUTHS, WARM_UPS, device_alone, make_batch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main(name: str) -> dict:
    """Returns the better figure of those with `cudnn.benchmark` and without."""
    _, work, _, precision, size, *_ = name.split("-")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    batch_size = int(size[1:])
    figures = {}
    for tunes in (False, True):
        torch.backends.cudnn.benchmark = tunes
        step = (training if work == "training" else inference)(batch_size, precision == "mixed_bfloat16")
        with device_alone():
            figures["tuned" if tunes else "plain"] = measure(step)
    ms = min(figures.values())
    peak = torch.cuda.max_memory_allocated() / 2**30 if DEVICE == "cuda" else 0.0
    return {
        "ms": round(ms, 2),
        "images_per_s": round(1e3 * batch_size / ms, 2),
        "peak_gb": round(peak, 2),
        **{f"{name}_ms": round(value, 2) for name, value in figures.items()},
    }


def training(batch_size: int, is_mixed: bool) -> Callable[[], object]:
    """Returns a step of SGD on all layers."""
    model = build(trainable_backbone_layers=5).train()
    batch = make_batch(batch_size)
    images, targets = to_images(batch), [to_target(batch, index) for index in range(batch_size)]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

    def step() -> None:
        with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=is_mixed):
            loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def inference(batch_size: int, is_mixed: bool) -> Callable[[], object]:
    """Returns a detection of 100 objects in each image, with their masks at image size in main memory."""
    model = build(box_score_thresh=0.0, box_detections_per_img=100).eval()
    images = to_images(make_batch(batch_size))

    def step() -> list[torch.Tensor]:
        with torch.inference_mode(), torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=is_mixed):
            return [(found["masks"] > 0.5).cpu() for found in model(images)]

    return step


def build(**arguments: object) -> torch.nn.Module:
    """Returns the network with random weights, on the device."""
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=CLASS_COUNT, min_size=SHAPE[0], max_size=SHAPE[1],
        box_batch_size_per_image=200, box_positive_fraction=0.33, **arguments,
    )  # fmt: skip
    return model.to(DEVICE).to(memory_format=torch.channels_last)


def to_images(batch: dict) -> list[torch.Tensor]:
    """Returns the images as torchvision takes them, on the device."""
    return [torch.from_numpy(image).to(DEVICE).permute(2, 0, 1).float() / 255 for image in batch["images"]]


def to_target(batch: dict, index: int) -> dict[str, torch.Tensor]:
    """Returns the truth of one image; torchvision takes masks at image size."""
    boxes = batch["boxes"][index, :TRUTHS]
    masks = torch.zeros(TRUTHS, *SHAPE, dtype=torch.uint8)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = 1
    target = {
        "boxes": torch.from_numpy(boxes[:, [1, 0, 3, 2]]),
        "labels": torch.from_numpy(batch["class_ids"][index, :TRUTHS]).long(),
        "masks": masks,
    }
    return {key: values.to(DEVICE) for key, values in target.items()}


def measure(step: Callable[[], object]) -> float:
    """Returns milliseconds a step; the device is waited for at the end alone."""
    for _ in range(WARM_UPS):
        step()
    wait()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    wait()
    return 1e3 * (time.perf_counter() - start) / STEPS


def wait() -> None:
    """Waits until the device has done all its work."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
