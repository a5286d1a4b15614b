"""Arithmetic of boxes and anchors against recorded values of Matterport's code.

`data/ops.npz` was recorded on a 256x512 image with a TensorFlow 2 port of matterport/Mask_RCNN
(z-mahmud22/Mask-RCNN_TF2.14.0 @ fec97db, MIT). Of the anchors it holds every 101st row.
"""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from maskrcnn.inference import round_to_pixels
from maskrcnn.network.ops.boxes import (
    clip_boxes,
    decode_deltas,
    encode_deltas,
    make_anchors,
    normalize_boxes,
    pairwise_iou,
)
from maskrcnn.network.ops.proposals import batched_nms

IMAGE_SHAPE = (256, 512)
close = {"rtol": 1e-6, "atol": 1e-6}


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "data" / "ops.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_anchors(recorded):
    anchors = make_anchors(IMAGE_SHAPE, scales=(32, 64, 128, 256, 512))
    assert len(anchors) == recorded["anchor_count"]
    np.testing.assert_array_equal(anchors[recorded["anchor_rows"]], recorded["anchors_px"])
    normalized = ops.convert_to_numpy(normalize_boxes(recorded["anchors_px"], IMAGE_SHAPE))
    np.testing.assert_allclose(normalized, recorded["anchors_norm"], **close)


def test_normalised_frame(recorded):
    normalized = ops.convert_to_numpy(normalize_boxes(recorded["b1"], IMAGE_SHAPE))
    np.testing.assert_allclose(normalized, recorded["norm"], **close)
    pixels = round_to_pixels(recorded["norm"], IMAGE_SHAPE)
    np.testing.assert_array_equal(pixels, recorded["b1"])


def test_deltas(recorded):
    decoded = ops.convert_to_numpy(decode_deltas(recorded["deltas"], recorded["b1"]))
    np.testing.assert_allclose(decoded, recorded["applied"], atol=1e-4)  # pixels, up to 562
    encoded = ops.convert_to_numpy(encode_deltas(recorded["b1"][:30], recorded["b2"]))
    np.testing.assert_allclose(encoded, recorded["refine"], rtol=1e-5, atol=1e-6)


def test_clipping(recorded):
    clipped = ops.convert_to_numpy(clip_boxes(recorded["b1"] / 300, (0, 0, 1, 1)))
    np.testing.assert_allclose(clipped, recorded["clip_graph"], **close)


def test_overlaps(recorded):
    iou = ops.convert_to_numpy(pairwise_iou(recorded["b1"], recorded["b2"]))
    np.testing.assert_allclose(iou, recorded["iou"], **close)


@pytest.mark.parametrize(("name", "iou_threshold"), [("nms03", 0.3), ("nms07", 0.7)])
def test_non_maximum_suppression(recorded, name: str, iou_threshold: float):
    boxes, scores = (ops.convert_to_tensor(recorded[key][None]) for key in ("b1", "scores"))
    indices, valid = map(ops.convert_to_numpy, batched_nms(boxes, scores, scores.shape[1], iou_threshold))
    np.testing.assert_array_equal(indices[valid], recorded[name])
