"""Photos to look for objects in: image files, folders, patterns, videos and cameras.

Images are read as they are looked at: the EXIF orientation of a file is applied. `maskrcnn.data.images` ignores it,
because the truth of a data set is drawn on the pixels as stored.
"""

import glob
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Image

IMAGE_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))
VIDEO_ENDINGS = frozenset((".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"))
CAMERA = "camera:"
FRAME_RATE = 25.0  # of videos and cameras that state none

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_TAIL = 65536  # bytes; some cameras append metadata after the end of the image


@dataclass(frozen=True)
class Source:
    """One input: an image file, a video file or a camera.

    Args:
        path: The file; for a camera its name, such as `camera:0`.
        file_name: The file's path below the folder that was given, or its own name; with slashes.
        name: Unique among the sources, without an ending; what is written of the source is named after it.
    """

    path: Path
    file_name: str
    name: str

    @property
    def is_camera(self) -> bool:
        """Whether this is a camera, which has no end."""
        return self.file_name.startswith(CAMERA)

    @property
    def is_video(self) -> bool:
        """Whether this gives one frame after the other."""
        return self.is_camera or self.path.suffix.lower() in VIDEO_ENDINGS


@dataclass(frozen=True)
class Photo:
    """One image of a source, at its own size.

    Args:
        source: Where it comes from.
        frame: Its number in a video, from 0; None for an image file.
        image: Red, green, blue.
        frame_rate: Frames a second of the video; 0 for an image file.
    """

    source: Source
    frame: int | None
    image: Image
    frame_rate: float = 0.0


@dataclass(frozen=True)
class Broken:
    """A source that cannot be read, or not to its end, and why."""

    source: Source
    fault: str


def find_sources(words: Sequence[str], excluded: Path | None = None) -> list[Source]:
    """Returns what the words name, each file once, in order; folders are searched with all folders in them.

    Args:
        words: Files, folders, patterns such as `street/*.jpg`, or cameras such as `camera:0`.
        excluded: A folder that is not searched: where results are written.
    Raises:
        FileNotFoundError: if a word names nothing that exists.
        InputError: if a folder holds no image and no video, or a camera has no number.
    """
    found: dict[Path, str] = {}
    for word in words:
        for path, file_name in _expand(word, excluded):
            found.setdefault(path, file_name)
    return list(_name_sources(found))


def _expand(word: str, excluded: Path | None) -> list[tuple[Path, str]]:
    """Returns path and file name of every file that a word names."""
    path = Path(word)
    if word.startswith(CAMERA):
        if not word.removeprefix(CAMERA).isdecimal():
            raise InputError(f"`INPUT` must name a camera by its number, such as {CAMERA}0; got {word}.")
        return [(path, word)]
    if path.is_dir():
        endings = IMAGE_ENDINGS | VIDEO_ENDINGS
        files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in endings and file.is_file()]
        files = [file for file in files if excluded is None or excluded.resolve() not in file.resolve().parents]
        if not files:
            raise InputError(f"`{path}` must hold images or videos; got none with {', '.join(sorted(endings))}.")
        return [(file, file.relative_to(path).as_posix()) for file in files]
    if path.is_file():
        return [(path, path.name)]
    files = [Path(name) for name in sorted(glob.glob(word, recursive=True)) if Path(name).is_file()]
    if not files:
        raise FileNotFoundError(f"`{word}` must exist: an image, a folder, a pattern, a video, or {CAMERA}0.")
    return [(file, file.name) for file in files]


def _name_sources(found: dict[Path, str]) -> Iterator[Source]:
    """Yields the sources; those whose names differ only in the ending, or not at all, are numbered."""
    taken: set[str] = set()
    for path, file_name in found.items():
        stem = file_name.replace(":", "_") if file_name.startswith(CAMERA) else file_name.removesuffix(path.suffix)
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name)
        yield Source(path, file_name, name)


def count_photos(sources: Iterable[Source]) -> int | None:
    """Returns how many photos the sources hold as far as they state it; None with a camera."""
    counts = [_count_frames(source) for source in sources]
    return None if None in counts else sum(count or 0 for count in counts)


def _count_frames(source: Source) -> int | None:
    if not source.is_video:
        return 1
    if source.is_camera:
        return None
    video = cv2.VideoCapture(str(source.path))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 1
    video.release()
    return max(count, 1)


def read_photos(sources: Sequence[Source], workers: int, stopped: Event) -> Iterator[Photo | Broken]:
    """Yields the photos of all sources in order; what cannot be read is yielded as broken, and the rest follows.

    Image files are decoded ahead in threads.

    Args:
        sources: From `find_sources`.
        workers: Threads that decode.
        stopped: Nothing more is read once it is set.
    """
    with ThreadPoolExecutor(workers, "photos", initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        # A video is opened when it is its turn, for it needs no thread to be read in order.
        started = (source if source.is_video else pool.submit(read_photo, source) for source in sources)
        ahead = deque(islice(started, 2 * workers))
        while ahead and not stopped.is_set():
            first = ahead.popleft()
            ahead.extend(islice(started, 1))
            if isinstance(first, Source):
                yield from takewhile(lambda _: not stopped.is_set(), read_video(first))
            else:
                yield first.result()


def read_photo(source: Source) -> Photo | Broken:
    """Reads an image file at its own size, with its EXIF orientation applied."""
    try:
        content = np.fromfile(source.path, np.uint8)
        if _ends_early(content[:8].tobytes(), content[-_TAIL:].tobytes()):
            return Broken(source, "the file ends early; copy it again")
        image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if len(content) else None
    except (OSError, cv2.error) as fault:
        return Broken(source, str(fault))
    if image is None:
        return Broken(source, "it cannot be decoded as an image")
    return Photo(source, None, image)


def _ends_early(head: bytes, tail: bytes) -> bool:
    """Returns whether a JPEG or PNG lacks its end; some decoders fill the rest with grey."""
    ends = ((_JPEG_START, _JPEG_END), (_PNG_START, _PNG_END))
    return any(head.startswith(start) and end not in tail for start, end in ends)


def read_video(source: Source) -> Iterator[Photo | Broken]:
    """Yields the frames of a video or a camera until it ends."""
    place = int(source.file_name.removeprefix(CAMERA)) if source.is_camera else str(source.path)
    video = cv2.VideoCapture(place)
    try:
        frame_rate, frame = video.get(cv2.CAP_PROP_FPS) or FRAME_RATE, 0
        while True:
            is_read, image = video.read()
            if not is_read:
                break
            yield Photo(source, frame, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), frame_rate)
            frame += 1
        if not frame:
            yield Broken(source, "no camera answers" if source.is_camera else "it cannot be decoded as a video")
    finally:
        video.release()
