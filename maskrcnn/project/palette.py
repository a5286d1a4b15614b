"""Colours of classes and of variants, for readers with and without colour blindness."""

from collections.abc import Sequence

Color = tuple[int, int, int]  # red, green and blue, from 0 to 255

# Okabe and Ito, "Color Universal Design" (2008): colour-blind readers can tell them apart, too.
PALETTE: tuple[Color, ...] = (
    (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (0, 114, 178), (204, 121, 167), (230, 159, 0),
)  # fmt: skip
# The same for lines on white and on black, so without the yellow. `.dvc/plots` repeats them.
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHADES = (0.0, 0.45, -0.35)  # share of white, or below zero of black, in each round through the palette


def spread_colors(class_count: int) -> tuple[Color, ...]:
    """Returns one colour per class: black for the background, then the palette, paler and darker in later rounds."""
    colors = [(0, 0, 0)]
    for index in range(class_count - 1):
        lap, place = divmod(index, len(PALETTE))
        shade = SHADES[lap % len(SHADES)]
        target = 255 if shade > 0 else 0
        red, green, blue = (round(channel + abs(shade) * (target - channel)) for channel in PALETTE[place])
        colors.append((red, green, blue))
    return tuple(colors)


def assign_colors(names: Sequence[str]) -> dict[str, str]:
    """Returns the colour of each variant, candidate or search; the same in every chart that gets the same names."""
    return {name: LINE_COLORS[index % len(LINE_COLORS)] for index, name in enumerate(names)}
