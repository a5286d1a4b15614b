"""Draws street scenes with their truth and writes them in the file layout of Cityscapes.

They replace Cityscapes where its licensed images are missing. A frame depends only on the seed, its split, its city
and its number, so that a longer city begins with the frames of a shorter one.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_folder
from maskrcnn.project.notation import Image
from maskrcnn.street.canvas import Canvas, Polygon, blank_canvas, develop, outline, paint, silhouette
from maskrcnn.street.figures import Colour
from maskrcnn.street.light import cast_shadow, expose, light_from_above
from maskrcnn.street.placement import Camera, Sprite
from maskrcnn.street.scenery import backdrop
from maskrcnn.street.traffic import traffic
from maskrcnn.street.worlds import world_named

LEAST_SIDE = 64  # pixels; below, nothing is recognised
SNIPPET_FRAME = 19  # Cityscapes labels the twentieth frame of every snippet


@dataclass(frozen=True)
class Scene:
    """An RGB image and the label and `(x, y)` polygon of all that was drawn in it, later ones over earlier ones."""

    image: Image
    objects: list[tuple[str, Polygon]]


def draw_scene(rng: np.random.Generator, image_shape: tuple[int, int], world: str) -> Scene:
    """Draws one street.

    Args:
        rng: Decides everything random in the scene.
        image_shape: Height and width in pixels.
        world: `city` or `countryside`.

    Raises:
        InputError: if there is no such world, or a side of the image is below `LEAST_SIDE`.
    """
    style = world_named(world)
    if min(image_shape) < LEAST_SIDE:
        raise InputError(f"`image_shape` must have sides of at least {LEAST_SIDE} pixels; got {image_shape}.")
    camera = Camera(image_shape, rng.uniform(*style.horizon) * image_shape[0], style.camera_height)
    canvas, air = blank_canvas(image_shape), style.pick(rng, style.sky)
    sprites = [*backdrop(rng, style, camera), *traffic(rng, style, camera, canvas.shape)]
    objects = [labelled for sprite in sprites for labelled in _draw(canvas, sprite, air)]
    return Scene(expose(rng, develop(canvas)), objects)


def write_city(
    root: Path, split: str, city: str, count: int, image_shape: tuple[int, int], world: str, seed: int
) -> None:
    """Draws the frames of one city; they replace an older city of this name, all or none.

    Args:
        root: Holds `leftImg8bit` and `gtFine`.
        split: The folder below these two, such as `train`.
        city: Name of the folder below `split`, and first part of the file names.
        count: Frames, at least one.
        image_shape: Height and width in pixels.
        world: `city` or `countryside`.
        seed: Another seed draws another city of this name.

    Raises:
        InputError: if `count` is below 1, or a scene cannot be drawn.
    """
    if count < 1:
        raise InputError(f"`count` must be at least 1; got {count} for {split}/{city}.")
    image_folder, polygon_folder = (root / part / split / city for part in ("leftImg8bit", "gtFine"))
    with whole_folder(image_folder) as images, whole_folder(polygon_folder) as polygons:
        for index in range(count):
            scene = draw_scene(_frame_rng(seed, split, city, index), image_shape, world)
            name = f"{city}_{index:06d}_{SNIPPET_FRAME:06d}"
            _write_image(images / f"{name}_leftImg8bit.png", scene.image)
            _write_polygons(polygons / f"{name}_gtFine_polygons.json", scene)


def write_cities(
    root: Path, cities: Mapping[str, Mapping[str, int]], image_shape: tuple[int, int], world: str, seed: int
) -> Iterator[None]:
    """Draws many cities on all cores and yields after each; a city is written whole or not at all.

    Args:
        root: Holds `leftImg8bit` and `gtFine`.
        cities: Frames of each city of each split's folder.
        image_shape: Height and width in pixels.
        world: `city` or `countryside`.
        seed: Another seed draws other cities of these names.

    Raises:
        InputError: if the world is unknown or a city has no frames; nothing is drawn then.
    """
    world_named(world)
    counts = [(split, city, count) for split, of_split in cities.items() for city, count in of_split.items()]
    if empty := [f"{split}/{city}" for split, city, count in counts if count < 1]:
        raise InputError(f"`count` must be at least 1; got less for {', '.join(empty)}.")
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        largest_first = sorted(counts, key=lambda entry: -entry[2])
        tasks = [pool.submit(write_city, root, *entry, image_shape, world, seed) for entry in largest_first]
        for task in as_completed(tasks):
            yield task.result()


def _draw(canvas: Canvas, sprite: Sprite, air: Colour) -> list[tuple[str, Polygon]]:
    """Paints a sprite over the canvas and traces its figures."""
    if sprite.shadow:
        cast_shadow(canvas, sprite.shadow, sprite.placement)
    objects = []
    for figure in sprite.figures:
        paint(canvas, figure, sprite.placement, sprite.haze, air)
        shape = silhouette([figure], sprite.placement, canvas.shape)
        if sprite.shadow:
            light_from_above(canvas, shape)
        polygon = outline(shape)
        if polygon is not None:
            objects.append((figure.label, polygon))
    return objects


def _frame_rng(seed: int, split: str, city: str, index: int) -> np.random.Generator:
    """Returns the random generator of one frame. CRC-32, unlike `hash`, is the same in every process."""
    return np.random.default_rng([seed, zlib.crc32(split.encode()), zlib.crc32(city.encode()), index])


def _write_image(path: Path, image: Image) -> None:
    """Writes an RGB image as PNG."""
    encoded, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert encoded
    path.write_bytes(png.tobytes())


def _write_polygons(path: Path, scene: Scene) -> None:
    """Writes the objects of a scene as an annotation of Cityscapes."""
    height, width = scene.image.shape[:2]
    objects = [{"label": label, "polygon": polygon.tolist()} for label, polygon in scene.objects]
    path.write_text(json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects}, allow_nan=False))
