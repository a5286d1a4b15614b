"""What `maskrcnn predict` does: photos are read, fitted, given to the network, and what it found is written.

Reading, drawing and writing take place in threads while the network computes.
"""

import signal
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from maskrcnn.cli.backend import check_device, prepare_backend
from maskrcnn.cli.output import CITYSCAPES, KINDS, Finished, Output, Style, check_folder, find_label_ids, name_frame
from maskrcnn.data.images import fit_image
from maskrcnn.data.read_ahead import count_cores
from maskrcnn.network.facts import Facts
from maskrcnn.network.weights import load, read_facts
from maskrcnn.project.errors import InputError
from maskrcnn.readers.photos import Broken, Photo, Source, count_photos, find_sources, read_photos

if TYPE_CHECKING:  # importing Keras takes seconds
    from maskrcnn.data.detections import ImageDetections
    from maskrcnn.network.model import MaskRCNN

TOO_FAR = 2  # batches that drawing and writing may lag behind the network


@dataclass
class Tally:
    """What became of the inputs."""

    photos: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)


def main(options: Namespace) -> Tally:
    """Predicts what the command line asks for, and prints what was done.

    Raises:
        FileNotFoundError: if an input or the model does not exist.
        InputError: if an option does not fit the model, the machine or what is there already.
    """
    out, model = Path(options.out), Path(options.model)
    check_folder(out, options.overwrite)
    sources = find_sources(options.inputs, excluded=out)
    facts = read_facts(model)
    kept = choose_classes(facts.class_names, options.classes)
    check_kinds(options.write, facts.class_names, sources)
    prepare_backend(options.backend, options.device)
    console = Console(stderr=True)
    with console.status(f"Loading {model}"):
        check_device(options.device)
        network = load(model)
    style = Style(facts.class_names, facts.class_colors, options.colors == "instance")
    with Output(out, options.write, style) as output, show_progress(console, sources) as progress:
        settings = (options.min_score, options.batch_size, kept)
        tally = predict(network, facts, sources, output, settings, progress)
    print_tally(tally, out)
    return tally


def predict(
    network: "MaskRCNN",
    facts: Facts,
    sources: Sequence[Source],
    output: Output,
    settings: tuple[float, int, Sequence[int]],
    progress: Progress,
) -> Tally:
    """Finds the objects of all photos and gives them to the output, in order.

    Args:
        network: What finds them.
        facts: Of its model.
        sources: The photos.
        output: What writes them.
        settings: Smallest score, photos of a batch, and the class ids to keep.
        progress: Its one task is advanced, and broken sources are printed above it.
    """
    min_score, batch_size, kept = settings
    tally, workers = Tally(), count_cores()
    task = progress.task_ids[0]

    def finish(photo: Photo, found: "ImageDetections") -> Finished:
        mine = found.unfit(photo.image.shape[:2], facts.fit)
        return output.finish(photo, mine.select(np.isin(mine.class_ids, kept)))

    def add(finished: Finished) -> None:
        output.add(finished)
        tally.photos += 1
        tally.objects.update(entry["category"] for entry in finished.entries)
        progress.advance(task)

    def report(broken: Broken) -> None:
        tally.broken.append(broken)
        progress.console.print(f"[red]`{broken.source.path}` is left out: {broken.fault}.", highlight=False)
        progress.advance(task)

    with _stop_on_interrupt() as stopped, ThreadPoolExecutor(workers, "writers", cv2.setNumThreads, (1,)) as pool:
        photos = _take_whole(read_photos(sources, workers, stopped), report)
        waiting: deque[Future[Finished]] = deque()
        for photo, found in find_objects(network, facts, photos, min_score, batch_size):
            waiting.append(pool.submit(finish, photo, found))
            while len(waiting) > TOO_FAR * max(batch_size, workers):
                add(waiting.popleft().result())
        for finished in waiting:
            add(finished.result())
    return tally


def find_objects(
    network: "MaskRCNN", facts: Facts, photos: Iterable[Photo], min_score: float, batch_size: int
) -> Iterator[tuple[Photo, "ImageDetections"]]:
    """Yields every photo with what the network found in it, in the network's pixels.

    All batches have one shape, so that the network is compiled once; zeros fill the last one.
    """
    from maskrcnn.inference import detect_batches

    waiting: deque[list[Photo]] = deque()

    def stack() -> Iterator[np.ndarray]:
        remaining = iter(photos)
        while group := list(islice(remaining, batch_size)):
            waiting.append(group)
            images = np.zeros((batch_size, *facts.image_shape, 3), np.uint8)
            for image, photo in zip(images, group, strict=False):
                image[:] = fit_image(photo.image, facts.image_shape, facts.fit)
            yield images

    for found in detect_batches(network, stack(), min_confidence=min_score):
        yield from zip(waiting.popleft(), found, strict=False)


def _take_whole(photos: Iterable[Photo | Broken], report: Callable[[Broken], None]) -> Iterator[Photo]:
    """Yields the photos and reports what is broken."""
    for photo in photos:
        if isinstance(photo, Broken):
            report(photo)
        else:
            yield photo


@contextmanager
def _stop_on_interrupt() -> Iterator[Event]:
    """Yields an event that Ctrl-C sets, so that what was read is finished; a second one stops at once.

    Signals belong to the main thread; in another one nothing changes.
    """
    stopped = Event()
    if current_thread() is not main_thread():
        yield stopped
        return

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


class _Rate(ProgressColumn):
    """Images a second since the first one was finished: what comes before it is compilation."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} images/s" if task.speed else "")


def show_progress(console: Console, sources: Sequence[Source]) -> Progress:
    """Returns a progress bar with one task; it counts photos and the frames of videos."""
    columns = (TextColumn("Predicting"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    progress = Progress(*columns, console=console)
    progress.add_task("", total=count_photos(sources))
    return progress


def print_tally(tally: Tally, out: Path) -> None:
    """Prints what was found and where it was written."""
    counts = ", ".join(f"{count} {name}" for name, count in tally.objects.most_common())
    found = f"{_count(tally.photos, 'image')}, {_count(tally.objects.total(), 'object')}"
    print(f"{found} in {out}/{': ' if counts else ''}{counts}")
    if tally.broken:
        names = ", ".join(str(one.source.path) for one in tally.broken)
        print(f"{_count(len(tally.broken), 'input')} could not be read: {names}")


def _count(number: int, noun: str) -> str:
    """Returns a number with its noun, in the plural unless it is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def choose_classes(class_names: Sequence[str], chosen: Sequence[str] | None) -> list[int]:
    """Returns the class ids to keep.

    Args:
        class_names: Of the model, from class id 1 on.
        chosen: Some of them; None keeps all.
    Raises:
        InputError: if the model does not know one, or none is named.
    """
    if chosen is not None and not chosen:
        raise InputError(f"`--classes` must name some of {', '.join(class_names)}; got none.")
    for name in chosen or ():
        if name not in class_names:
            near = get_close_matches(name, class_names, n=3, cutoff=0.5) or class_names
            raise InputError(f"`--classes` must be classes of the model; got {name!r}, near to {', '.join(near)}.")
    return [class_id for class_id, name in enumerate(class_names, start=1) if chosen is None or name in chosen]


def check_kinds(kinds: Sequence[str], class_names: Sequence[str], sources: Sequence[Source]) -> None:
    """Refuses what cannot be written.

    Raises:
        InputError: if a kind is unknown; or for a submission, if the model has none of the benchmark's classes or
            two images have the same name.
    """
    if not kinds or not set(kinds) <= set(KINDS):
        raise InputError(f"`--write` must be some of {', '.join(KINDS)}; got {','.join(kinds)}.")
    if CITYSCAPES not in kinds:
        return
    if not find_label_ids(class_names):
        raise InputError(f"`--write cityscapes` must have a model of its classes; got {', '.join(class_names)}.")
    name, count = Counter(name_frame(source.name) for source in sources).most_common(1)[0]
    if count > 1:
        raise InputError(f"`--write cityscapes` must have images of different names; got {name} {count} times.")
