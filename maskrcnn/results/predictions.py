"""Predictions as a file: JSON in the format of COCO results.

The file is a list of `{"image_id", "category_id", "bbox": [x, y, width, height], "score",
"segmentation": {"size": [height, width], "counts"}}`. `image_id` is the index of the image in its
split's records, `category_id` the class id. pycocotools and other readers of COCO results can load it.

The stage `predict` adds the names of both, `image` and `category`, and `records`, the digest of the records that it
read. So predictions of other images or classes are noticed. Files of other programs lack these keys.

Masks as run lengths (RLE), in the compressed form of COCO.

The pixels of an image are numbered column by column: pixel `(y, x)` of an image of height H has the
index `x * H + y`. A run is a range `[start, stop)` of indices that belong to the mask.

The text form is the library's; finding the runs of a mask is ours, because the library reads every pixel
of the image one by one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval.mask_api_new_cpp import decode, frUncompressedRLE, toUncompressedRLE
from jaxtyping import Bool, Float, Int, Num

from maskrcnn.data.records import Records
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file
from maskrcnn.project.json_files import read_json
from maskrcnn.project.notation import Array

# Numbers of 5 bits a character, the last of which is below P. The library takes any other character for one of these.
CODE = re.compile(r"(?:[P-o]{0,5}[0-O])++")


class Runs(NamedTuple):
    """The pixels of a mask as ascending, disjoint ranges of column-major indices, stops excluded."""

    starts: Int[Array, " R"]
    stops: Int[Array, " R"]


def find_runs(part: Bool[Array, "h w"], corner: tuple[int, int], image_shape: tuple[int, int]) -> Runs:
    """Finds the runs of a mask that covers a part of an image.

    Args:
        part: The mask inside the part; everything outside is background.
        corner: `(y, x)` of the part's first pixel in the image.
        image_shape: Height and width of the image.
    """
    height, width = part.shape
    pixels = np.zeros(width * (height + 1) + 1, bool)  # column by column, with background before and after each
    pixels[:-1].reshape(width, height + 1)[:, 1:] = part.T
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    columns, rows = np.divmod(edges, height + 1)
    edges = (corner[1] + columns) * image_shape[0] + corner[0] + rows
    starts, stops = edges[::2], edges[1::2]
    # A run that ends in the last row of a column and one that starts in the first row of the next are one run.
    apart = stops[:-1] != starts[1:]
    return Runs(starts[np.append(True, apart)[: len(starts)]], stops[np.append(apart, True)[: len(stops)]])


def encode_runs(runs: Runs, image_shape: tuple[int, int]) -> str:
    """Encodes runs as the `counts` of a compressed COCO mask."""
    pixels = image_shape[0] * image_shape[1]
    edges = np.stack([runs.starts, runs.stops], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=pixels)
    if len(counts) > 1 and counts[-1] == 0:  # COCO leaves out an empty last run
        counts = counts[:-1]
    (rle,) = frUncompressedRLE([{"size": list(image_shape), "counts": counts.tolist()}])
    return rle["counts"].decode("ascii")


def encode_mask(mask: Bool[Array, "H W"]) -> str:
    """Encodes a mask of image size as the `counts` of a compressed COCO mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return encode_part(mask[:0, :0], (0, 0), mask.shape)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return encode_part(part, (int(rows[0]), int(columns[0])), mask.shape)


def encode_part(part: Bool[Array, "h w"], corner: tuple[int, int], image_shape: tuple[int, int]) -> str:
    """Encodes a mask that covers a part of an image; the arguments are those of `find_runs`."""
    return encode_runs(find_runs(part, corner, image_shape), image_shape)


def decode_runs(counts: str, image_shape: tuple[int, int]) -> Runs:
    """Decodes the `counts` of a compressed COCO mask: the inverse of `encode_runs`.

    Raises:
        InputError: if `counts` is not the code of a mask of this shape.
    """
    pixels = image_shape[0] * image_shape[1]
    lengths = _read_lengths(counts, image_shape)
    if lengths.sum() != pixels:
        raise InputError(
            f"`counts` must be the COCO run lengths of the {pixels} pixels of an image of shape "
            f"{tuple(image_shape)}; got {counts[:40]!r}."
        )
    edges = np.cumsum(lengths)[: len(lengths) // 2 * 2].reshape(-1, 2)
    edges = edges[edges[:, 0] < edges[:, 1]]
    return Runs(edges[:, 0], edges[:, 1])


def _read_lengths(counts: str, image_shape: tuple[int, int]) -> Int[Array, " L"]:
    """Returns the lengths of background and mask in turn, and a 0; the 0 alone if the text is no code."""
    if not re.fullmatch(CODE, counts):
        return np.zeros(1, np.int64)
    try:
        (rle,) = toUncompressedRLE([{"size": list(image_shape), "counts": counts}])
    except ValueError:  # what the library raises on negative and on too long runs
        return np.zeros(1, np.int64)
    return np.array([*rle["counts"], 0])


def decode_mask(counts: str, image_shape: tuple[int, int]) -> Bool[Array, "H W"]:
    """Decodes the `counts` of a compressed COCO mask of this shape: the inverse of `encode_mask`."""
    return decode([{"size": list(image_shape), "counts": counts}])[:, :, 0].astype(bool)


KEYS = ("image_id", "category_id", "bbox", "score", "segmentation")
MOST_PIXELS = 10**9  # from the corner of an image to whatever a box of it may reach
SHOWN = 80  # characters of a value in an error


@dataclass(frozen=True)
class Predictions:
    """The predictions of one image, in any order.

    Attributes:
        boxes_px: `(y1, x1, y2, x2)`, outer edge exclusive.
        class_ids: From 1; background is never predicted.
        scores: Within [0, 1].
        rles: `counts` of each mask at image size, see `maskrcnn.results.predictions`.
    """

    boxes_px: Float[Array, "P 4"]
    class_ids: Int[Array, " P"]
    scores: Float[Array, " P"]
    rles: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rles)


def encode_predictions(
    boxes_px: Num[Array, "P 4"],
    class_ids: Int[Array, " P"],
    scores: Float[Array, " P"],
    masks: Bool[Array, "P H W"],
) -> Predictions:
    """Returns the predictions of one image with their masks encoded as run lengths.

    Args:
        boxes_px: `(y1, x1, y2, x2)`, outer edge exclusive.
        class_ids: From 1.
        scores: Within [0, 1].
        masks: At image size, not limited to the boxes.
    """
    rles = tuple(encode_mask(mask) for mask in np.asarray(masks))
    return Predictions(np.asarray(boxes_px, np.float64), np.asarray(class_ids), np.asarray(scores, np.float64), rles)


def encode_parts(
    boxes_px: Int[Array, "P 4"],
    class_ids: Int[Array, " P"],
    scores: Float[Array, " P"],
    parts: Sequence[Bool[Array, "_ _"]],
    image_shape: tuple[int, int],
) -> Predictions:
    """Returns what `encode_predictions` returns, from masks that are given inside their boxes only.

    Args:
        boxes_px: `(y1, x1, y2, x2)`, whole pixels, outer edge exclusive.
        class_ids: From 1.
        scores: Within [0, 1].
        parts: The mask inside each box; outside of it is background.
        image_shape: Height and width of the image.
    """
    corners = np.asarray(boxes_px)[:, :2].tolist()
    rles = tuple(encode_part(part, (y, x), image_shape) for part, (y, x) in zip(parts, corners, strict=True))
    return Predictions(np.asarray(boxes_px, np.float64), np.asarray(class_ids), np.asarray(scores, np.float64), rles)


def write_predictions(
    path: Path,
    predictions: Iterable[Predictions],
    image_shape: tuple[int, int],
    records: Records | None = None,
) -> None:
    """Writes the predictions of all images of a split, whole or not at all.

    Args:
        path: The JSON file; its folder is made.
        predictions: One per image, in the order of the records; may be a generator.
        image_shape: Height and width of every image.
        records: What the images and classes are named after; None writes numbers alone.

    Raises:
        InputError: if a box or a score is not finite; names the image and the prediction.
    """
    names = dict(enumerate(records.names)) if records else {}
    checked = (
        check_finite(found, f"of {names.get(index, f'image {index}')} in `{path}`")
        for index, found in enumerate(predictions)
    )
    with whole_file(path) as unfinished, unfinished.open("w") as file:
        separator = "[\n"
        for entry in result_entries(checked, image_shape):
            named = entry | _name_origin(entry, records) if records else entry
            file.write(separator + json.dumps(named, allow_nan=False))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


def check_finite(found: Predictions, place: str) -> Predictions:
    """Returns the predictions of one image unless one of them holds NaN or infinities.

    Args:
        found: The predictions.
        place: Which image of which file they are of, for the error.
    Raises:
        InputError: if so; names the first such prediction.
    """
    for name in ("boxes_px", "scores"):
        values = getattr(found, name)
        if len(spoiled := np.argwhere(~np.isfinite(values))):
            first = spoiled[0][0]
            raise InputError(
                f"`{name}` of prediction {first} {place} must be finite; got {values[first]}. "
                "The weights are spoiled, or the network overflows at this precision."
            )
    return found


def result_entries(predictions: Iterable[Predictions], image_shape: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Yields the entries of the file, image by image: COCO results.

    Args:
        predictions: One per image, in the order of the records.
        image_shape: Height and width of every image.
    """
    for image_id, found in enumerate(predictions):
        for (y1, x1, y2, x2), class_id, score, counts in zip(
            found.boxes_px.tolist(), found.class_ids.tolist(), found.scores.tolist(), found.rles, strict=True
        ):
            yield {
                "image_id": image_id,
                "category_id": class_id,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
                "segmentation": {"size": list(image_shape), "counts": counts},
            }


def read_found(root: Path, variant: str, records: Records) -> list[Predictions]:
    """Reads what a variant found in the images of a split, and checks that it is of these images and classes.

    Args:
        root: Folder of the repository.
        variant: Stem of the file in `predictions`.
        records: The split.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: as `read_predictions`, with the command that predicts anew.
    """
    path = root / f"predictions/{variant}.json"
    try:
        return read_predictions(path, len(records), records.image_shape, len(records.catalogue.class_names), records)
    except InputError as fault:
        raise InputError(f"{fault} Run `dvc repro predict@{variant}`.") from None


def read_predictions(
    path: Path,
    image_count: int,
    image_shape: tuple[int, int],
    class_count: int,
    records: Records | None = None,
) -> list[Predictions]:
    """Reads the predictions of all images of a split: the inverse of `write_predictions`.

    Args:
        path: The JSON file.
        image_count: Images of the split.
        image_shape: Height and width of every image.
        class_count: Classes, background included.
        records: What entries that name their origin must come from; None leaves these names unread.

    Returns:
        One per image, in the order of the records; empty for an image without entries.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if an entry breaks a rule; it names the file, the first such entry and the rule.
    """
    entries = _read_list(path)
    by_image: list[list[dict[str, Any]]] = [[] for _ in range(image_count)]
    ids: set[Any] = set()
    for index, entry in enumerate(entries):
        try:
            _check_keys(entry)
            if records:
                _check_origin(entry, records)
            _check_entry(entry, image_count, image_shape, class_count)
            _check_id(entry, ids)
        except InputError as fault:
            raise InputError(f"Entry {index} of {path}: {fault}") from None
        by_image[entry["image_id"]].append(entry)
    return [_gather(found) for found in by_image]


def _read_list(path: Path) -> list[Any]:
    """Returns the parsed file, a list."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run `dvc repro`, whose stage `predict` writes it.")
    entries = read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"`{path}` must hold a list of COCO results; got {type(entries).__name__}.")
    return entries


def _check_keys(entry: Any) -> None:
    """Refuses what is not a COCO result."""
    if not isinstance(entry, dict) or not entry.keys() >= set(KEYS):
        raise InputError(f"it must have the keys {', '.join(KEYS)}; got {_show(entry)}.")


def _check_entry(entry: dict[str, Any], image_count: int, image_shape: tuple[int, int], class_count: int) -> None:
    """Refuses an entry that is not a prediction of these images and classes."""
    if not _is_whole(entry["image_id"]) or not 0 <= entry["image_id"] < image_count:
        raise InputError(f"`image_id` must be a whole number below {image_count}; got {_show(entry['image_id'])}.")
    if not _is_whole(entry["category_id"]) or not 1 <= entry["category_id"] < class_count:
        raise InputError(
            f"`category_id` must be a whole number from 1 to {class_count - 1}; got {_show(entry['category_id'])}."
        )
    if not is_number(entry["score"], 0, 1):
        raise InputError(f"`score` must lie within [0, 1]; got {_show(entry['score'])}.")
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_coordinate, box)) or min(box[2:]) < 0:
        raise InputError(f"`bbox` must be x, y, width, height in pixels; got {_show(box)}.")
    _check_mask(entry["segmentation"], image_shape)


def _check_mask(mask: Any, image_shape: tuple[int, int]) -> None:
    """Refuses what is not a run-length mask of an image of this shape."""
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), str):
        raise InputError(f"`segmentation` must have a `size` and compressed `counts`; got {_show(mask)}.")
    if mask.get("size") != list(image_shape):
        raise InputError(f"`segmentation.size` must be {list(image_shape)}; got {_show(mask.get('size'))}.")
    decode_runs(mask["counts"], image_shape)


def _check_id(entry: dict[str, Any], ids: set[Any]) -> None:
    """Refuses an `id`, which is optional, that an earlier entry has."""
    if "id" in entry:
        if not _is_whole(entry["id"]) or entry["id"] in ids:
            raise InputError(f"`id` must be a whole number and occur once; got {_show(entry['id'])}.")
        ids.add(entry["id"])


def _is_whole(value: Any) -> bool:
    return type(value) is int


def is_number(value: Any, low: float, high: float) -> bool:
    """Returns whether a value of JSON is a number within a range; NaN is in none."""
    return type(value) in (int, float) and low <= value <= high


def is_coordinate(value: Any) -> bool:
    """Returns whether a value of JSON can be a place in an image or a side of a box."""
    return is_number(value, -MOST_PIXELS, MOST_PIXELS)


def _show(value: Any) -> str:
    """Returns the beginning of a value of JSON, for an error."""
    text = repr(value[:SHOWN] if isinstance(value, str | list) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _name_origin(entry: Mapping[str, Any], records: Records) -> dict[str, Any]:
    """Returns the keys that say what an entry is a prediction of."""
    image_id, class_id, class_names = entry["image_id"], entry["category_id"], records.catalogue.class_names
    origin: dict[str, Any] = {}
    if _is_whole(image_id) and 0 <= image_id < len(records):
        origin["image"] = records.names[image_id]
    if _is_whole(class_id) and 0 <= class_id < len(class_names):
        origin["category"] = class_names[class_id]
    return origin | {"records": records.digest}


def _check_origin(entry: Mapping[str, Any], records: Records) -> None:
    """Refuses an entry of other records: their images, classes, size or truth may be others."""
    origin = _name_origin(entry, records)
    for key, value in origin.items():
        if entry.get(key, value) != value:
            raise InputError(
                f"`{key}` must be {value!r} as in {records.path}; got {_show(entry[key])}, so this is a "
                "prediction of other images or classes."
            )


def _gather(entries: list[dict[str, Any]]) -> Predictions:
    """Returns the checked entries of one image as arrays."""
    xywh = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    return Predictions(
        boxes_px=np.concatenate([xywh[:, 1::-1], xywh[:, 1::-1] + xywh[:, :1:-1]], axis=1),
        class_ids=np.array([entry["category_id"] for entry in entries], np.int64),
        scores=np.array([entry["score"] for entry in entries], np.float64),
        rles=tuple(entry["segmentation"]["counts"] for entry in entries),
    )
