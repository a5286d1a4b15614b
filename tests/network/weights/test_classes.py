"""The class names that a file carries: read, compared and mapped."""

from pathlib import Path

import pytest

from maskrcnn.network.weights import read_weights, write_weights
from maskrcnn.network.weights.classes import check_classes, map_by_name, read_class_names
from maskrcnn.project.errors import InputError
from tests.network.weights.facts import FACTS
from tests.network.weights.files import assert_same, scramble, values
from tests.tiny import network

NAMES = ("background", "red", "green", "blue")
ORDER = r"must hold the network's classes in their order; got class 1 red instead of green, class 2 green instead of"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that carry their classes."""
    return write(tmp_path_factory.mktemp("named") / "named.h5", named=True)


def write(path: Path, named: bool) -> Path:
    """Writes the weights of the tests' network."""
    network().facts = FACTS if named else None
    write_weights(network(), path)
    network().facts = None
    return path


def test_names_are_those_that_were_written(path: Path, tmp_path: Path) -> None:
    assert read_class_names(path) == NAMES
    assert read_class_names(write(tmp_path / "other.h5", named=False)) is None


@pytest.mark.parametrize("class_names", [NAMES, ("background", "blue"), (*NAMES, "black")])
def test_equal_classes_and_another_number_of_them_pass(path: Path, class_names: tuple[str, ...]) -> None:
    check_classes(path, class_names, "")


def test_another_order_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match=rf"named\.h5` {ORDER} red\. Turn them\."):
        check_classes(path, ("background", "green", "red", "blue"), "Turn them.")


def test_weights_of_classes_in_another_order_are_not_read(path: Path) -> None:
    scramble(network(), 2)
    before = values(network())
    with pytest.raises(InputError, match=f"{ORDER} red. Run the stage that makes the file again"):
        read_weights(network(), path, ("background", "green", "red", "blue"))
    assert_same(values(network()), before)
    read_weights(network(), path, NAMES)


def test_weights_without_names_are_read(tmp_path: Path) -> None:
    read_weights(network(), write(tmp_path / "other.h5", named=False), ("background", "green", "red", "blue"))


def test_classes_are_mapped_by_their_names(path: Path) -> None:
    assert map_by_name(("background", "blue", "black", "red"), path) == {0: 0, 1: 3, 3: 1}


def test_without_names_nothing_is_mapped_by_them(tmp_path: Path) -> None:
    path = write(tmp_path / "other.h5", named=False)
    with pytest.raises(InputError, match=r"the set of classes of `.*other\.h5`, which carries no names; got file"):
        map_by_name(NAMES, path)
