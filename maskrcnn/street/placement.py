"""Where figures stand. Points in the image are `(x, y)` in pixels, y down."""

from dataclasses import dataclass

from maskrcnn.street.figures import Figure, Points, Range


@dataclass(frozen=True)
class Placement:
    """Where the origin of a figure lies in the image, and the pixels per metre; `scale_x` < 0 mirrors."""

    x: float
    y: float
    scale_x: float
    scale_y: float

    def to_image(self, points: Points) -> Points:
        """Converts points from metres to image pixels."""
        return points * (self.scale_x, -self.scale_y) + (self.x, self.y)


FLAT = Placement(0.0, 0.0, 1.0, -1.0)  # for figures that are drawn in image pixels


@dataclass(frozen=True)
class Sprite:
    """Figures that share a placement, in painter's order.

    Args:
        figures: The figures.
        placement: Theirs.
        haze: Share of every colour that the colour of the air replaces.
        shadow: Range of x in metres where they darken the ground; None for flat figures.
    """

    figures: tuple[Figure, ...]
    placement: Placement
    haze: float = 0.0
    shadow: Range | None = None


@dataclass(frozen=True)
class Camera:
    """A camera above flat ground: nearer things appear lower and larger."""

    image_shape: tuple[int, int]
    horizon: float  # pixels from the top
    height: float  # metres above the ground

    @property
    def unit(self) -> float:
        """Pixels in a unit: the image has 256 units of height. Scales are units per metre."""
        return self.image_shape[0] / 256

    def ground(self, scale: float) -> float:
        """Returns the row of the image where things of this scale stand."""
        return self.horizon + scale * self.unit * self.height

    def stand(self, figures: tuple[Figure, ...], x: float, scale: float, squeeze: float, shadow: Range) -> Sprite:
        """Places figures on the ground.

        Args:
            figures: The figures, in painter's order.
            x: Column of their origin, a fraction of the image width.
            scale: Units per metre.
            squeeze: Factor on their widths; below 0 mirrors.
            shadow: Range of x in metres where they darken the ground.
        """
        pixels = scale * self.unit
        placement = Placement(x * self.image_shape[1], self.ground(scale), pixels * squeeze, pixels)
        return Sprite(figures, placement, min(0.4, 1.6 / scale), shadow)
