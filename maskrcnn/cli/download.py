"""Downloads of released files: resumed where they stopped, verified, and whole or not at all."""

from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from maskrcnn.network.weights.released import Release, digest
from maskrcnn.project.errors import InputError

TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 20
PARTIAL = 206  # the answer of a server that sends a range and not the whole file


def fetch(release: Release, folder: Path) -> Path:
    """Downloads a file unless it is there already.

    Args:
        release: What to get.
        folder: Where it goes; made where it is missing. An unfinished download stays there as `NAME.part`.
    Returns:
        The verified file.
    Raises:
        ConnectionError: if the server does not give the whole file; what came stays, to be resumed.
        InputError: if the file is not the published one; a wrong download is removed, a file that was there is not.
    """
    path = folder / release.file
    if path.exists():
        _verify(path, release)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        _download(release, part)
    except (URLError, HTTPException, ConnectionError, TimeoutError) as fault:
        raise ConnectionError(
            f"`{release.url}` must be reachable; got {fault}. Run the command again, or put the file at {path}."
        ) from None
    try:
        _verify(part, release)
    except ValueError:
        part.unlink()
        raise
    part.replace(path)
    return path


def _download(release: Release, part: Path) -> None:
    """Appends what is missing to the part, or starts anew where the server knows no ranges."""
    start = part.stat().st_size if part.exists() else 0
    if start >= release.size:
        return
    request = Request(release.url, headers={"Range": f"bytes={start}-"} if start else {})
    with urlopen(request, timeout=TIMEOUT) as answer, _progress() as progress:
        if answer.status != PARTIAL:
            start = 0
        task = progress.add_task(release.file, total=release.size, completed=start)
        with part.open("ab" if start else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))
    if (size := part.stat().st_size) < release.size:
        raise ConnectionError(f"{size} of {release.size} bytes")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )


def _verify(path: Path, release: Release) -> None:
    if (found := digest(path, "md5")) != release.md5:
        raise InputError(f"`{path}` must have the published MD5 {release.md5}; got {found}, remove it and try again.")
