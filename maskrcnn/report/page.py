"""The files of the page: HTML from templates, data as scripts, images as WebP.

A page that was opened from the file system may not fetch files, but may load scripts and images. So data are scripts
that call a function of the page.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair
import cv2
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image as Picture

from maskrcnn.project.notation import Image

TEMPLATES = Path(__file__).parent / "templates"
QUALITY = 80  # of the images, from 1 to 100
EFFORT = 2  # of the encoder, up to 6; OpenCV's only one, 4, takes more than twice the time for files of the same size
THUMBNAIL_WIDTH = 160


def write_page(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes `index.html`; everything in the values is escaped.

    Args:
        folder: Of the page.
        values: What the template names.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    (folder / "index.html").write_text(environment.get_template("index.html").render(values), encoding="utf-8")


def write_script(path: Path, function: str, *arguments: Any) -> None:
    """Writes a script that calls a function of the page with data.

    Args:
        path: The script; its folder is made.
        function: Its name.
        arguments: Values for JSON; escaped to ASCII, so that no text can end the script.
    """
    path.parent.mkdir(exist_ok=True)
    text = ", ".join(json.dumps(value, separators=(",", ":"), allow_nan=False) for value in arguments)
    path.write_text(f"{function}({text});\n", encoding="ascii")


def write_library(path: Path) -> None:
    """Writes Vega-Lite, which draws the charts, as one script for use without a network."""
    release = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle = vl_convert.javascript_bundle(None, vl_version=release)  # type: ignore[arg-type]  # None is the default
    path.write_text(f"(() => {{{bundle}}})();\n", encoding="utf-8")


def write_image(folder: Path, index: int, image: Image) -> None:
    """Writes an image, and a thumbnail of it.

    Args:
        folder: Of the page.
        index: Of the image in its split.
        image: Red, green, blue.
    """
    height, width = image.shape[:2]
    small = (THUMBNAIL_WIDTH, max(1, round(THUMBNAIL_WIDTH * height / width)))
    pictures = {"images": image, "thumbnails": cv2.resize(image, small, interpolation=cv2.INTER_AREA)}
    for kind, picture in pictures.items():
        (folder / kind).mkdir(exist_ok=True)
        Picture.fromarray(picture).save(folder / kind / f"{index:05d}.webp", quality=QUALITY, method=EFFORT)
