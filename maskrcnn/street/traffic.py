"""Traffic: how often each kind of instance appears, how large, and where it stands so that it can be seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from maskrcnn.street.canvas import Silhouette, silhouette
from maskrcnn.street.figures import Figure, Range
from maskrcnn.street.people import bicycle, cyclist, motorcycle, motorcyclist, person
from maskrcnn.street.placement import Camera, Sprite
from maskrcnn.street.scenery import bonnet, poles
from maskrcnn.street.vehicles import bus, car, caravan, trailer, train, truck
from maskrcnn.street.worlds import World

INSTANCES = (2, 8)  # fewest and most in an image that has any
EMPTY_SHARE = 0.03  # of the images
BONNET_SHARE = 0.5
LEAST_VISIBLE = 0.35  # share of an instance that nearer things may not hide
MOST_TRIES = 80  # instances tried in a street before it counts as full
ACCESSORIES = frozenset({"license plate", "rail track"})  # drawn with an instance, but without a class

Mask = Bool[np.ndarray, "H W"]


@dataclass(frozen=True)
class Kind:
    """A kind of instance: its class, how it is drawn, its share of all, and its range of heights in units."""

    label: str
    draw: Callable[[np.random.Generator, World], tuple[Figure, ...]]
    share: float
    tall: Range


KINDS = (
    Kind("car", car, 0.27, (26.0, 84.0)),
    Kind("person", person, 0.21, (34.0, 128.0)),
    Kind("rider", cyclist, 0.09, (44.0, 124.0)),
    Kind("rider", motorcyclist, 0.08, (44.0, 120.0)),
    Kind("bicycle", bicycle, 0.05, (28.0, 72.0)),
    Kind("motorcycle", motorcycle, 0.05, (28.0, 76.0)),
    Kind("bus", bus, 0.05, (40.0, 110.0)),
    Kind("truck", truck, 0.05, (40.0, 110.0)),
    Kind("train", train, 0.05, (38.0, 84.0)),
    Kind("trailer", trailer, 0.05, (22.0, 56.0)),
    Kind("caravan", caravan, 0.05, (32.0, 92.0)),
)


@dataclass(frozen=True)
class Standing:
    """A sprite in the street with the canvas pixels of all of it and of each instance."""

    sprite: Sprite
    whole: Silhouette
    instances: tuple[Silhouette, ...]


def traffic(rng: np.random.Generator, world: World, camera: Camera, canvas_shape: tuple[int, ...]) -> list[Sprite]:
    """Fills a street; at least `LEAST_VISIBLE` of every instance can be seen.

    Returns:
        Instances and poles, the farthest first, then the bonnet of the camera's car in some images.
    """
    front = [bonnet(rng, world, camera)] if rng.random() < BONNET_SHARE else []
    hidden = np.zeros(canvas_shape[:2], bool)
    for sprite in front:
        _cover(hidden, silhouette(sprite.figures, sprite.placement, canvas_shape))
    posts = poles(rng, world, camera)
    street = [Standing(post, silhouette(post.figures, post.placement, canvas_shape), ()) for post in posts]
    wanted = 0 if rng.random() < EMPTY_SHARE else rng.integers(*INSTANCES, endpoint=True)
    for _ in range(MOST_TRIES):
        room = wanted - sum(len(one.instances) for one in street)
        if room <= 0:
            break
        newcomer = _standing(_anywhere(rng, world, camera), canvas_shape)
        if len(newcomer.instances) <= room and _all_visible([*street, newcomer], hidden):
            street.append(newcomer)
    return [*(one.sprite for one in sorted(street, key=_nearness)), *front]


def _anywhere(rng: np.random.Generator, world: World, camera: Camera) -> Sprite:
    """Draws a random kind at a random place; at most a fifth of its breadth lies outside the image."""
    kinds = [kind for kind in KINDS if kind.label not in world.absent]
    shares = np.cumsum([kind.share for kind in kinds])
    kind = kinds[np.searchsorted(shares, rng.random() * shares[-1], side="right")]
    figures = kind.draw(rng, world)
    instances = [figure for figure in figures if figure.label not in ACCESSORIES]
    scale = float(np.exp(rng.uniform(*np.log(kind.tall)))) / max(figure.height for figure in instances)
    lefts, rights = zip(*(figure.breadth for figure in instances), strict=True)
    shadow = min(lefts), max(rights)
    inside = min(0.5, 0.3 * (shadow[1] - shadow[0]) * scale * camera.unit / camera.image_shape[1])
    squeeze = rng.uniform(0.8, 1.0) * (1 if rng.random() < 0.5 else -1)
    return camera.stand(figures, rng.uniform(inside, 1 - inside), scale, squeeze, shadow)


def _standing(sprite: Sprite, canvas_shape: tuple[int, ...]) -> Standing:
    """Returns the sprite with its pixels and those of its instances."""
    figures = [figure for figure in sprite.figures if figure.label not in ACCESSORIES]
    shapes = tuple(silhouette([figure], sprite.placement, canvas_shape) for figure in figures)
    return Standing(sprite, silhouette(figures, sprite.placement, canvas_shape), shapes)


def _all_visible(street: Sequence[Standing], hidden: Mask) -> bool:
    """Returns whether enough of every instance can be seen; `hidden` is covered by what stands in front of all."""
    hidden = hidden.copy()
    for one in sorted(street, key=_nearness, reverse=True):
        if any(_visible_share(shape, hidden) < LEAST_VISIBLE for shape in one.instances):
            return False
        _cover(hidden, one.whole)
    return True


def _nearness(one: Standing) -> float:
    """Returns the row on which a sprite stands; lower in the image is nearer."""
    return one.sprite.placement.y


def _visible_share(shape: Silhouette, hidden: Mask) -> float:
    """Returns the share of a silhouette that is not hidden; 0 if it has no pixels."""
    seen = int(np.count_nonzero(shape.mask & ~hidden[shape.crop]))
    return seen / max(int(np.count_nonzero(shape.mask)), 1)


def _cover(hidden: Mask, shape: Silhouette) -> None:
    """Adds a silhouette to what is hidden."""
    hidden[shape.crop] |= shape.mask
