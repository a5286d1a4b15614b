"""`maskrcnn predict`: finds the objects of images, videos and cameras with a trained model.

Nothing slow is imported before the words of the command line were read: neither NumPy nor Keras, whose backend
is chosen here.
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskrcnn.cli.prediction import Tally

DESCRIPTION = """\
Finds the objects of images, videos and cameras with a trained model, and writes
what it found in the pixels of each input:

  OUT/pictures/NAME.jpg   the image with its objects; a video becomes NAME.mp4
  OUT/masks/NAME.png      grey: 0 is background, n the object with "mask_value" n
  OUT/results.json        all objects in COCO's result format, with file names
  OUT/cityscapes/         a submission for the Cityscapes benchmark, if asked for
"""

EXAMPLES = """\
examples:
  maskrcnn predict photo.jpg
  maskrcnn predict holiday/ "street/*.png" clip.mp4 --out found
  maskrcnn predict photo.jpg --min-score 0.7 --classes car,person --colors instance
  maskrcnn predict camera:0 --out live          until Ctrl-C
  maskrcnn predict photo.jpg --model models/flip.h5 --backend jax --device gpu

Scores need the doubtful objects too, and no pictures:
  maskrcnn predict leftImg8bit/val --min-score 0.05 --write cityscapes --out val
  maskrcnn evaluate val/cityscapes gtFine/val

The exit code is 1 if an input could not be read; it is named and the rest is done.
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command to the command line."""
    command = commands.add_parser(
        "predict",
        help="find the objects of photos, videos and cameras",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="image, folder, pattern, video, or camera:0")
    add("--out", default="found", metavar="DIR", help="folder for all that is written; default: %(default)s")
    add("--overwrite", action="store_true", help="replace files of the same names in DIR")
    add("--model", default="models/base.h5", metavar="FILE", help="trained model; default: %(default)s")
    add("--min-score", type=_share, default=0.5, metavar="S", help="smallest score kept; default: %(default)s")
    add("--classes", type=_words, metavar="A,B", help="only these classes; default: all of the model")
    help_ = "what to write: pictures, masks, coco, cityscapes; default: the first three"
    add("--write", type=_words, default=["pictures", "masks", "coco"], metavar="A,B", help=help_)
    help_ = "what has a colour of its own: class or instance; default: %(default)s"
    add("--colors", choices=("class", "instance"), default="class", metavar="BY", help=help_)
    add("--batch-size", type=_count, default=4, metavar="N", help="images at a time; default: %(default)s")
    help_ = "of Keras: tensorflow or jax; default: KERAS_BACKEND, or the one that is installed"
    add("--backend", choices=("tensorflow", "jax"), metavar="B", help=help_)
    help_ = "cpu, gpu, or gpu:1 for the second one; default: a GPU if there is one"
    add("--device", type=_device, default="auto", metavar="D", help=help_)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predicts; returns 1 if an input could not be read, else 0."""
    from maskrcnn.cli import prediction

    tally: Tally = prediction.main(options)
    return int(bool(tally.broken))


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1; got {word}")
    return value


def _count(word: str) -> int:
    if not word.isdecimal() or not int(word):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; got {word}")
    return int(word)


def _words(word: str) -> list[str]:
    return [part.strip() for part in word.split(",") if part.strip()]


def _device(word: str) -> str:
    kind, _, number = word.partition(":")
    if word not in ("auto", "cpu", "gpu") and not (kind == "gpu" and number.isdecimal()):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, gpu, or gpu with a number such as gpu:1; got {word}")
    return word
