"""Released files: their digests, their classes, and how to get them."""

import hashlib
from pathlib import Path

import pytest

from maskrcnn.network.weights import released
from maskrcnn.network.weights.released import RELEASES, Release, map_classes, verify_digest
from maskrcnn.project.errors import InputError
from maskrcnn.readers import cityscapes

CONTENT = b"weights"
MINE = Path("mine.h5")
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A released file of seven bytes."""
    monkeypatch.setitem(released.RELEASES, "tiny", Release("https://example.org/tiny.h5", len(CONTENT), MD5))
    (tmp_path / "tiny.h5").write_bytes(CONTENT)
    return tmp_path / "tiny.h5"


def test_the_published_digest_is_met(path: Path):
    assert verify_digest(path) == SHA256


def test_the_given_digest_is_met(path: Path):
    assert verify_digest(path, SHA256.upper()) == SHA256


def test_a_file_of_a_released_name_must_have_the_published_digest(path: Path):
    path.write_bytes(b"other weights")
    with pytest.raises(InputError, match=rf"tiny\.h5` must have the published MD5 {MD5}; got .*give its SHA-256"):
        verify_digest(path)
    assert verify_digest(path, hashlib.sha256(b"other weights").hexdigest())


def test_the_given_digest_is_not_met(path: Path):
    with pytest.raises(InputError, match=rf"tiny\.h5` must have the SHA-256 {'0' * 64}; got {SHA256}"):
        verify_digest(path, "0" * 64)


def test_a_file_of_another_name_is_not_known(path: Path):
    mine = path.rename(path.with_name("mine.h5"))
    mine.write_bytes(b"mine")
    assert verify_digest(mine) == hashlib.sha256(b"mine").hexdigest()


def test_a_missing_file_is_named_before_its_digest(path: Path):
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"tiny\.h5` must exist; `maskrcnn weights fetch tiny` downloads it"):
        verify_digest(path)


def test_both_releases_of_keras_have_one_name():
    assert RELEASES["imagenet"].file == RELEASES["imagenet_2019"].file
    assert RELEASES["imagenet"].md5 != RELEASES["imagenet_2019"].md5


def test_seven_of_our_ten_classes_are_in_coco():
    class_map = map_classes(cityscapes.CLASS_NAMES, "coco", 81, MINE)
    by_name = {cityscapes.CLASS_NAMES[ours]: theirs for ours, theirs in class_map.items()}
    assert by_name == {
        "background": 0,
        "person": 1,
        "bicycle": 2,
        "car": 3,
        "motorcycle": 4,
        "bus": 6,
        "train": 7,
        "truck": 8,
    }


def test_classes_of_an_unknown_set_are_refused():
    with pytest.raises(InputError, match="`class_map` must be one of coco, cityscapes; got 'voc'"):
        map_classes(cityscapes.CLASS_NAMES, "voc", 21, MINE)


def test_the_sets_are_those_of_the_files() -> None:
    # the released box head has 81 rows; the toothbrush is COCO's last
    assert len(set(released.CLASS_NAMES["coco"])) == 81
    assert released.CLASS_NAMES["coco"].index("toothbrush") == 80
    assert released.CLASS_NAMES["cityscapes"] == cityscapes.CLASS_NAMES


@pytest.mark.parametrize(
    ("count", "fix"),
    [(11, "set it to cityscapes, or remove `class_map`"), (5, "If the file is the right one, remove `class_map`")],
)
def test_a_set_of_another_size_than_the_file_is_refused(count: int, fix: str) -> None:
    message = rf"as many classes as `mine\.h5`, which has {count}; got coco, which has 81\. If the file"
    with pytest.raises(InputError, match=message) as error:
        map_classes(["background", "car"], "coco", count, MINE)
    assert fix in str(error.value)
