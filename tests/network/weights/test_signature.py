"""Files that are something else than HDF5."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest

from maskrcnn.network.weights.signature import check_signature
from maskrcnn.project.errors import InputError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2\n"


def make_zip() -> bytes:
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        archive.writestr("model.weights.h5", b"")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"got an empty file\. Copy or download it again\."),
        (LFS, r"got a Git LFS pointer; it begins with b'version '\. `git lfs pull` puts the file in its place\."),
        (b"\n<!DOCTYPE html><html>", r"got a web page; it begins with b'\\n<!DOCTY'\. Copy or download it again\."),
        (b"<html>not found</html>", r"got a web page; it begins with b'<html>no'\."),
        (b"<?xml version='1.0'?><Error>", r"got a web page; it begins with b'<\?xml ve'\."),
        (b'{"message": "Not Found"}', r"got JSON, such as a server's refusal; it begins with b'\{\"messag'\."),
        (make_zip(), r"got a ZIP archive, as `.keras`, .*; it begins with b'PK\\x03\\x04.*Unpack it"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", r"got a gzip archive; .*Unpack it\."),
        (pickle.dumps({}), r"got a Python pickle; it begins with b'\\x80\\x04"),
        (bytes(2048), r"got a file that begins with b'(\\x00){8}'\. Copy or download it again\."),
        (b"\x89HDF\r\n\x1a", r"got a file that begins with b'\\x89HDF"),
    ],
    ids=["empty", "lfs", "html after a line", "html", "xml", "json", "zip", "gzip", "pickle", "zeros", "cut signature"],
)
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "page.h5").write_bytes(content)
    with pytest.raises(InputError, match=rf"page\.h5` must be an HDF5 file; {message}"):
        check_signature(tmp_path / "page.h5")


def test_a_spoiled_released_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "mask_rcnn_coco.h5").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"a web page; .*Remove it; `maskrcnn weights fetch coco` downloads it"):
        check_signature(tmp_path / "mask_rcnn_coco.h5")
