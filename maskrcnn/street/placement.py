"""Where figures stand: from metres to the pixels of an image, whose points are `(x, y)` with y down."""

from dataclasses import dataclass

from maskrcnn.street.figures import Figure, Points, Range


@dataclass(frozen=True)
class Placement:
    """Where the origin of a figure lies in the image, and the pixels of a metre; `scale_x` < 0 mirrors."""

    x: float
    y: float
    scale_x: float
    scale_y: float

    def to_image(self, points: Points) -> Points:
        """Carries points from metres to image pixels."""
        return points * (self.scale_x, -self.scale_y) + (self.x, self.y)


FLAT = Placement(0.0, 0.0, 1.0, -1.0)  # for figures that are drawn in image pixels


@dataclass(frozen=True)
class Sprite:
    """Figures that share a placement, in painter's order.

    `haze` is the share of every colour that the air replaces. `shadow` is the stretch of the ground, in
    metres, that they darken; None lies flat.
    """

    figures: tuple[Figure, ...]
    placement: Placement
    haze: float = 0.0
    shadow: Range | None = None


@dataclass(frozen=True)
class Camera:
    """A camera above a flat ground; the nearer a thing stands, the lower and the larger it appears."""

    image_shape: tuple[int, int]
    horizon: float  # pixels from the top
    height: float  # metres above the ground

    @property
    def unit(self) -> float:
        """The size of a pixel of an image of 256 rows; scales are given in such pixels."""
        return self.image_shape[0] / 256

    def ground(self, scale: float) -> float:
        """Returns the row of the ground where a metre has `scale` units."""
        return self.horizon + scale * self.unit * self.height

    def stand(self, figures: tuple[Figure, ...], x: float, scale: float, squeeze: float, shadow: Range) -> Sprite:
        """Stands figures on the ground where a metre has `scale` units.

        Args:
            x: Column of their origin, a fraction of the image width.
            squeeze: Factor on their widths; below 0 mirrors.
            shadow: Stretch of the ground in metres.
        """
        pixels = scale * self.unit
        placement = Placement(x * self.image_shape[1], self.ground(scale), pixels * squeeze, pixels)
        return Sprite(figures, placement, min(0.4, 1.6 / scale), shadow)
