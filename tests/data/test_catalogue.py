"""The catalogue: stored and read again, what it refuses, and how labels become classes."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from maskrcnn.data.catalogue import Catalogue, assign_labels, decode_catalogue, encode_catalogue
from maskrcnn.project.errors import InputError
from maskrcnn.project.palette import spread_colors
from maskrcnn.readers.cityscapes import CITYSCAPES

PETS = Catalogue(("background", "cat", "dog"), {1: 1, 2: 2, 3: 2}, frozenset({0, 4}))


@pytest.mark.parametrize("catalogue", [PETS, CITYSCAPES, replace(PETS, instance_base=64, colors=((1, 2, 3),) * 3)])
def test_encode_and_decode_are_inverses(catalogue: Catalogue) -> None:
    assert decode_catalogue(encode_catalogue(catalogue)) == catalogue


def test_equal_catalogues_give_equal_bytes() -> None:
    # 8 and 16 share a place in a small hash table, so the order of a set depends on the order of insertion
    one = Catalogue(PETS.class_names, {1: 1, 2: 2, 3: 2}, frozenset([8, 16]))
    turned = Catalogue(PETS.class_names, {3: 2, 2: 2, 1: 1}, frozenset([16, 8]))
    assert list(one.void_label_ids) != list(turned.void_label_ids)
    assert encode_catalogue(turned) == encode_catalogue(one)


def test_every_class_has_a_colour_of_its_own() -> None:
    assert spread_colors(3) == ((0, 0, 0), (86, 180, 233), (0, 158, 115))
    # the eighth is the first colour again, paler: 86 + 0.45 * (255 - 86) = 162.05
    assert spread_colors(9)[8] == (162, 214, 243)
    # the fifteenth is darker: 86 * (1 - 0.35) = 55.9
    assert spread_colors(16)[15] == (56, 117, 151)
    colors = np.array(CITYSCAPES.colors, int)
    assert min(np.abs(one - other).max() for one, other in combinations(colors, 2)) > 30


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"class_names": ("cat", "dog", "cow")}, "begin with the class background"),
        ({"class_names": ("background", "cat", "cat")}, "have unique class names"),
        ({"class_ids_by_label": {1: 1}}, "have a label for every class but the first"),
        ({"class_ids_by_label": {1: 1, 2: 2, 3: 3}}, "have a label for every class but the first"),
        ({"class_ids_by_label": {1: 1, 2: 2, 3: 0}}, "have a label for every class but the first"),
        ({"class_ids_by_label": {0: 1, 2: 2}}, "have no class on label 0"),
        ({"instance_base": 4}, "have label ids from 0 to"),
        ({"void_label_ids": frozenset({-1})}, "have label ids from 0 to"),
        ({"class_ids_by_label": {1: 1, 65: 2}}, "have instance ids up to 65535"),  # 65 * 1000 + 999 = 65999
        ({"colors": ((0, 0, 0),)}, "have one colour per class"),
        ({"colors": ((0, 0, 0), (0, 0, 256), (0, 0, 0))}, "have colours from 0 to 255"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=f"`catalogue` must {rule}"):
        replace(PETS, **changes)


def test_ids_up_to_sixteen_bits_are_accepted() -> None:
    assert replace(PETS, class_ids_by_label={1: 1, 64: 2}).class_ids_by_label[64] == 2  # 64 * 1000 + 999 = 64999


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda values: values.pop("colors"), "must have the keys class_names, "),
        (lambda values: values.update(more=1), "must have the keys class_names, "),
        (lambda values: values.update(class_names="dog"), "must begin with the class background"),
        (
            lambda values: values.update(class_names=["background", 1, "dog"]),
            "in the place of names",
        ),
        (lambda values: values.update(class_names=None), "must hold names, ids and colours"),
        (lambda values: values.update(class_ids_by_label=[1, 2]), "must hold names, ids and colours"),
        (lambda values: values.update(class_ids_by_label={"1": 1, "2": 2.0}), "got 2.0 in the place of a whole number"),
        (lambda values: values.update(class_ids_by_label={"1": True, "2": 2}), "got True in the place of"),
        (lambda values: values.update(class_ids_by_label={"cat": 1, "2": 2}), "invalid literal"),
        (lambda values: values.update(void_label_ids=["0"]), "got '0' in the place of a whole number"),
        (lambda values: values.update(instance_base=None), "got None in the place of a whole number"),
        (lambda values: values.update(colors=[[0, 0]] * 3), "not enough values"),
        (lambda values: values.update(colors=[0, 0, 0]), "must hold names, ids and colours"),
    ],
)
def test_a_hostile_catalogue_is_refused(spoil: Callable[[dict[str, Any]], object], message: str) -> None:
    values = json.loads(encode_catalogue(PETS))
    spoil(values)
    with pytest.raises(ValueError, match=message):
        decode_catalogue(json.dumps(values).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        decode_catalogue(content)


def test_without_a_choice_every_label_is_a_class() -> None:
    assert assign_labels(["cat", "dog"], None) == (("background", "cat", "dog"), {"cat": 1, "dog": 2})


def test_classes_come_in_the_order_of_the_choice_and_merge_labels() -> None:
    names, class_ids = assign_labels(["cat", "dog", "wolf", "cow"], {"canine": ["wolf", "dog"], "cow": ["cow"]})
    assert names == ("background", "canine", "cow")
    assert class_ids == {"wolf": 1, "dog": 1, "cow": 2}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"pet": ["dgo"]}, r"`data\.classes\.pet` must merge labels of the dataset; got 'dgo', near to dog\."),
        ({"pet": ["xyz"]}, r"got 'xyz', near to cat, dog\."),
        ({"pet": ["dog"], "all": ["cat", "dog"]}, r"`data\.classes\.all` must not repeat a label; got 'dog' again"),
        ({"pet": ["dog", "dog"]}, "must not repeat a label"),
        ({"pet": []}, r"`data\.classes\.pet` must be a class with labels; got \[\]"),
        ({"background": ["dog"]}, r"`data\.classes\.background` must be a class with labels"),
        ({}, r"`data\.classes` must have at least one class; got none"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(classes: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        assign_labels(["cat", "dog"], classes)
