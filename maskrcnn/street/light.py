"""Light: shadows on the ground, light from above on figures, the exposure of the image."""

import cv2
import numpy as np

from maskrcnn.project.notation import Image
from maskrcnn.street.canvas import Canvas, Silhouette, to_canvas
from maskrcnn.street.figures import Range
from maskrcnn.street.placement import Placement

SHADOW_DEPTH = 0.22  # metres to either side of where a figure stands
SHADOW_OVERHANG = 1.1
DARKNESS = 0.55
TOP_LIGHT, BOTTOM_LIGHT = 1.06, 0.84


def cast_shadow(canvas: Canvas, stretch: Range, placement: Placement) -> None:
    """Darkens an ellipse on the ground, less towards its rim; `stretch` is its range of x in metres."""
    ends = to_canvas(placement.to_image(np.array([(stretch[0], SHADOW_DEPTH), (stretch[1], -SHADOW_DEPTH)])))
    centre, radii = ends.mean(axis=0), np.abs(ends[1] - ends[0]) / 2 * (SHADOW_OVERHANG, 1.0)
    limit = canvas.shape[1::-1]
    (left, top), (right, bottom) = (np.clip(np.rint(centre + s * radii), 0, limit).astype(int) for s in (-1, 1))
    y, x = np.ogrid[top:bottom, left:right]
    distance = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2
    gain = 1 - DARKNESS * np.clip(1.3 * (1 - distance), 0, 1)
    crop = canvas[top:bottom, left:right]
    crop[:] = crop * gain[..., None].astype(np.float32)


def light_from_above(canvas: Canvas, shape: Silhouette) -> None:
    """Lightens the upper rows of a silhouette and darkens the lower ones."""
    gain = np.linspace(TOP_LIGHT, BOTTOM_LIGHT, len(shape.mask), dtype=np.float32)[:, None, None]
    crop = canvas[shape.crop]
    np.copyto(crop, np.minimum(crop * gain, 255).astype(np.uint8), where=shape.mask[..., None])


def expose(rng: np.random.Generator, image: Image) -> Image:
    """Changes brightness and tint at random, unevenly over the image, and adds the noise of a sensor."""
    height, width = image.shape[:2]
    clouds = rng.normal(1, 0.06, (4, 8)).astype(np.float32)
    light = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    tint = (rng.uniform(0.8, 1.15) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    noise = (rng.random(image.shape, np.float32) - 0.5) * rng.uniform(5, 15)
    return np.clip(image * (light * tint) + noise, 0, 255).astype(np.uint8)
