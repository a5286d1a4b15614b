"""The folder that `maskrcnn predict` writes: pictures, masks, COCO results and a Cityscapes submission."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import cv2
import numpy as np
import simplejpeg

from maskrcnn.data.detections import ImageDetections
from maskrcnn.pictures.overlay import Drawn, draw_overlay, enlarge
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file, whole_folder
from maskrcnn.project.notation import Image
from maskrcnn.project.palette import Color, spread_colors
from maskrcnn.readers.cityscapes import LABEL_IDS
from maskrcnn.readers.folders import IMAGE_END
from maskrcnn.readers.photos import Photo, Source
from maskrcnn.results.predictions import Predictions, check_finite, encode_parts
from maskrcnn.results.submission import write_image

PICTURES, MASKS, COCO, CITYSCAPES = "pictures", "masks", "coco", "cityscapes"
KINDS = (PICTURES, MASKS, COCO, CITYSCAPES)
RESULTS = "results.json"
NOT_SCORED = ("caravan", "trailer")  # the benchmark ignores them
JPEG_QUALITY = 90
CODEC = "mp4v"
# Masks are runs of equal pixels: this is the fastest, and smaller than what the default strategy makes of them.
PNG_SETTINGS = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
)


@dataclass(frozen=True)
class Style:
    """How objects are named and coloured.

    Args:
        class_names: From class id 1 on.
        class_colors: Of each of them.
        by_instance: Whether neighbouring objects differ in colour, instead of classes.
    """

    class_names: tuple[str, ...]
    class_colors: tuple[Color, ...]
    by_instance: bool = False

    def describe(self, found: ImageDetections) -> list[Drawn]:
        """Returns the objects as they are drawn, the best first."""
        by_instance = spread_colors(len(found) + 1)[1:]
        return [
            Drawn(
                box_px=found.boxes_px[index],
                part=np.ascontiguousarray(found.parts[index]),  # else OpenCV would copy it at every step
                color=by_instance[index] if self.by_instance else self.class_colors[class_id - 1],
                label=f"{self.class_names[class_id - 1]} {found.scores[index]:.2f}",
            )
            for index, class_id in enumerate(found.class_ids.tolist())
        ]


@dataclass(frozen=True)
class Finished:
    """What is left to write of a photo, in order: entries of the results, and the frame of a video."""

    photo: Photo
    entries: list[dict[str, Any]]
    frame: Image | None


class Output:
    """Writes what was found; a context manager, whose end completes results and videos.

    Args:
        folder: Made where it is missing.
        kinds: Some of `KINDS`.
        style: Of the pictures.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], style: Style) -> None:
        self._folder, self._kinds, self._style = folder, kinds, style
        self._label_ids = find_label_ids(style.class_names)
        self._stack = ExitStack()
        self._results: TextIO | None = None
        self._submission: Path | None = None
        self._video: tuple[Source, cv2.VideoWriter] | None = None
        self._image_count = self._entry_count = 0

    def __enter__(self) -> "Output":
        self._folder.mkdir(parents=True, exist_ok=True)
        if COCO in self._kinds:
            unfinished = self._stack.enter_context(whole_file(self._folder / RESULTS))
            self._results = self._stack.enter_context(unfinished.open("w"))
        if CITYSCAPES in self._kinds:
            self._submission = self._stack.enter_context(whole_folder(self._folder / CITYSCAPES))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_video()
        if self._results:
            self._results.write("\n]\n" if self._entry_count else "[]\n")
        self._stack.__exit__(kind, fault, trace)

    def finish(self, photo: Photo, found: ImageDetections) -> Finished:
        """Writes what does not depend on other photos; may be called in several threads.

        Args:
            photo: At its own size.
            found: In the pixels of the photo.
        """
        name = photo.source.name if photo.frame is None else f"{photo.source.name}/{photo.frame:06d}"
        predictions = encode_parts(found.boxes_px, found.class_ids, found.scores, found.parts, found.image_shape)
        check_finite(predictions, f"of {photo.source.file_name}")
        if MASKS in self._kinds:
            content = cv2.imencode(".png", number_pixels(found), PNG_SETTINGS)[1].tobytes()
            write_whole(self._folder / MASKS / f"{name}.png", content)
        if self._submission:
            frame = name_frame(name)
            write_image(self._submission, frame, predictions, self._label_ids, found.image_shape, found.image_shape)
        picture = None
        if PICTURES in self._kinds:
            picture = draw_overlay(*enlarge(photo.image, self._style.describe(found)))
            if not photo.source.is_video:
                content = simplejpeg.encode_jpeg(picture, JPEG_QUALITY, "RGB", "420")
                write_whole(self._folder / PICTURES / f"{name}.jpg", content)
                picture = None
        return Finished(photo, list(self._describe(photo, predictions)), picture)

    def add(self, finished: Finished) -> None:
        """Writes what depends on the photos before; called in their order."""
        for entry in finished.entries:
            self._entry_count += 1
            entry = {"id": self._entry_count, "image_id": self._image_count, **entry}
            if self._results:
                separator = "[\n" if self._entry_count == 1 else ",\n"
                self._results.write(separator + json.dumps(entry, allow_nan=False))
        self._image_count += 1
        if finished.frame is not None:
            self._add_frame(finished.photo, finished.frame)

    def _describe(self, photo: Photo, found: Predictions) -> Iterator[dict[str, Any]]:
        """Yields an entry of the COCO results for each object, without the ids, which follow from the order."""
        frame = {} if photo.frame is None else {"frame": photo.frame}
        for place, ((y1, x1, y2, x2), class_id, score, counts) in enumerate(
            zip(found.boxes_px.tolist(), found.class_ids.tolist(), found.scores.tolist(), found.rles, strict=True)
        ):
            yield {
                "file_name": photo.source.file_name,
                **frame,
                "category_id": class_id,
                "category": self._style.class_names[class_id - 1],
                "mask_value": place + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
                "segmentation": {"size": list(photo.image.shape[:2]), "counts": counts},
            }

    def _add_frame(self, photo: Photo, frame: Image) -> None:
        if self._video is None or self._video[0] is not photo.source:
            self._close_video()
            path = self._name_video(photo.source, ".unfinished")
            path.parent.mkdir(parents=True, exist_ok=True)
            size = frame.shape[1], frame.shape[0]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), photo.frame_rate, size)
            if not writer.isOpened():
                raise InputError(f"`{path}` must be a video that OpenCV can write; its codec {CODEC} is not installed.")
            self._video = photo.source, writer
        self._video[1].write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _close_video(self) -> None:
        if self._video:
            source, writer = self._video
            writer.release()
            os.replace(self._name_video(source, ".unfinished"), self._name_video(source))
            self._video = None

    def _name_video(self, source: Source, mark: str = "") -> Path:
        return self._folder / PICTURES / f"{source.name}{mark}.mp4"


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuses a folder that holds something, unless it may be overwritten.

    Raises:
        InputError: if so, or if it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"`--out` must be a folder; got the file {folder}.")
    if folder.is_dir() and not overwrite and (held := next(folder.iterdir(), None)):
        raise InputError(
            f"`--out` must be a new or an empty folder; got {folder}, which holds {held.name}. Name another one, or "
            "add `--overwrite`: it replaces files of the same names."
        )


def find_label_ids(class_names: Sequence[str]) -> dict[int, int]:
    """Returns the official label id of every class that the Cityscapes benchmark scores, by class id."""
    return {
        class_id: LABEL_IDS[name]
        for class_id, name in enumerate(class_names, start=1)
        if name in LABEL_IDS and LABEL_IDS[name] >= LABEL_IDS["person"] and name not in NOT_SCORED
    }


def name_frame(name: str) -> str:
    """Returns the benchmark's name of an image: that of the file without its ending `_leftImg8bit`."""
    return name.rpartition("/")[2].removesuffix(IMAGE_END.removesuffix(".png"))


def number_pixels(found: ImageDetections) -> np.ndarray:
    """Returns for every pixel the number of the object that it shows, from 1; 0 where there is none.

    Objects are numbered in the order of their scores; of several on one pixel the one of the highest score is on top.
    Pixels have 8 bits, or 16 if there are more than 255 objects.
    """
    numbers = np.zeros(found.image_shape, np.min_scalar_type(len(found)))
    for index in reversed(range(len(found))):
        y1, x1, y2, x2 = found.boxes_px[index].tolist()
        numbers[y1:y2, x1:x2][found.parts[index]] = index + 1
    return numbers


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
