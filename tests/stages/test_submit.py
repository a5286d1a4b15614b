"""A submission to the Cityscapes benchmark."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskrcnn.data.records import read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES, CLASS_NAMES
from maskrcnn.results.predictions import encode_predictions, write_predictions
from stages.submit import main
from tests.stages.drawn import write_params
from tests.stages.scored import make_record

SHAPE = (64, 128)


def test_official_classes_at_the_size_of_the_benchmark(tmp_path) -> None:
    record = make_record("munster_000000_000019", np.zeros(SHAPE, np.uint16))
    write_records(tmp_path / "data/processed/test.npz", [record], SHAPE, (56, 56), "stretch", CITYSCAPES)
    write_params(tmp_path)
    mask = np.zeros((2, *SHAPE), bool)
    mask[:, 2:4, 3:8] = True
    class_ids = np.array([CLASS_NAMES.index("bus"), CLASS_NAMES.index("caravan")])
    found = encode_predictions(np.zeros((2, 4)), class_ids, np.array([0.75, 0.5]), mask)
    write_predictions(tmp_path / "predictions/base.json", [found], SHAPE)
    main("base", tmp_path)
    folder = tmp_path / "submissions/base"
    text = (folder / "munster_000000_000019.txt").read_text()
    assert text == "munster_000000_000019_0.png 28 0.75\n"  # no caravan: the benchmark has none
    written = cv2.imread(str(folder / "munster_000000_000019_0.png"), cv2.IMREAD_UNCHANGED)
    assert written.shape == (1024, 2048) and (written[32:64, 48:128] == 255).all()
    assert np.count_nonzero(written) == 10 * 16 * 16


def test_letterboxed_images_are_refused(tmp_path) -> None:
    record = make_record("munster_000000_000019", np.zeros(SHAPE, np.uint16))
    write_records(tmp_path / "data/processed/test.npz", [record], SHAPE, (56, 56), "letterbox", CITYSCAPES)
    write_params(tmp_path)
    with pytest.raises(InputError, match=r"`preprocess\.fit` must be stretch for a submission.*; got letterbox"):
        main("base", tmp_path)


def test_predictions_of_other_images_and_variants_that_left_params_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data/processed/test.npz"
    for name in ("lindau_000000_000019", "munster_000000_000019"):
        record = make_record(name, np.zeros(SHAPE, np.uint16))
        write_records(path, [record], SHAPE, (56, 56), "stretch", CITYSCAPES)
        if name.startswith("lindau"):
            found = encode_predictions(np.zeros((1, 4)), np.array([1]), np.array([0.5]), np.ones((1, *SHAPE), bool))
            write_predictions(tmp_path / "predictions/base.json", [found], SHAPE, read_records(path))
    write_params(tmp_path)
    with pytest.raises(InputError, match=r"base\.json: `image` must be 'munster_.*; got 'lindau_.*repro predict@base`"):
        main("base", tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml` must have the variant `variants\.old`; got base, flip"):
        main("old", tmp_path)
    assert not (tmp_path / "submissions").exists()
