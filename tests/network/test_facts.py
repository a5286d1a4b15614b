"""Facts as JSON: written and read again, and what is refused."""

import inspect
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from maskrcnn.network.facts import MATTERPORT, MAX_BYTES, Facts, decode_facts, encode_facts, list_packages
from maskrcnn.network.model import CHANNEL_MEANS, build_mask_rcnn
from maskrcnn.project.errors import InputError
from tests.network.weights.facts import FACTS

FILE = Path("model.h5")
VALUES = json.loads(encode_facts(FACTS))
NETWORK = VALUES["architecture"]


@pytest.mark.parametrize("facts", [FACTS, Facts(("mug",), (64, 128)), replace(FACTS, licence=None, commit="1a" * 20)])
def test_encode_and_decode_are_inverses(facts: Facts) -> None:
    assert decode_facts(encode_facts(facts), FILE) == facts


def test_equal_facts_give_equal_bytes() -> None:
    turned = dict(reversed([("a", 1.0), ("b", 2.0)]))
    one, other = replace(FACTS, metrics={"a": 1.0, "b": 2.0}), replace(FACTS, metrics=turned)
    assert encode_facts(one) == encode_facts(other)


def test_lists_count_as_tuples() -> None:
    assert replace(FACTS, class_names=list(FACTS.class_names), image_shape=[64, 64]) == FACTS  # type: ignore[arg-type]


def test_classes_have_colours_of_their_own() -> None:
    facts = Facts(("mug", "plate"), (64, 64))
    assert facts.class_colors == ((86, 180, 233), (0, 158, 115))
    assert facts.class_count == 3


def test_the_network_is_matterports_by_default() -> None:
    arguments = inspect.signature(build_mask_rcnn).parameters
    defaults = {key.name: arguments[key.name].default for key in fields(MATTERPORT)}
    assert asdict(MATTERPORT) == defaults | {"backbone": "resnet101"}


def test_the_network_subtracts_the_means_that_the_facts_state() -> None:
    assert FACTS.preprocessing.channel_means == CHANNEL_MEANS


def test_packages_are_those_that_numbers_depend_on() -> None:
    assert {"keras", "numpy", "opencv-python-headless", "tensorflow"} == set(list_packages("tensorflow"))


RULES: list[tuple[dict[str, Any], str]] = [
    ({"class_names": ()}, "`class_names` must hold at least one class; got none"),
    ({"class_names": ("a", "a", "b")}, "`class_names` must be different from each other and from background; got"),
    ({"class_names": ("a", "background", "b")}, "`class_names` must be different from each other and from background"),
    ({"class_names": "abc"}, "`class_names` must be a list of texts; got 'abc'"),
    ({"class_names": (1, 2, 3)}, "`class_names` must be a list of texts; got"),
    ({"class_names": ("a", "b", "../../c")}, "`class_names` must hold names, not paths; got '../../c'"),
    ({"class_names": ("a", "b", "/etc")}, "`class_names` must hold names, not paths; got '/etc'"),
    ({"class_names": ("a", "b", "..\\c")}, "`class_names` must hold names, not paths; got"),
    ({"class_names": ("a", "b", "")}, "`class_names` must hold names, not paths; got ''"),
    ({"class_names": ("a", "b", "\x1b[2J")}, r"must be printable, of at most 500 characters; got '\x1b[2J'"),
    ({"class_names": ("a", "b", "c" * 501)}, "must be printable, of at most 500 characters; got 'ccc"),
    ({"licence": "\u202e"}, r"must be printable, of at most 500 characters; got '\u202e'"),
    ({"class_colors": ((0, 0, 0),)}, "`class_colors` must hold 3 colours, one for each class; got 1"),
    ({"class_colors": ((0, 0, 256),) * 3}, "`class_colors` must be from 0 to 255; got others"),
    (
        {"image_shape": (64, 100)},
        "must be two multiples of 64 with at most 67108864 pixels; got 64 x 100",
    ),
    ({"image_shape": (-64, -64)}, "`image_shape` must be two multiples of 64"),
    ({"image_shape": (64 * 10**6, 64 * 10**6)}, "`image_shape` must be two multiples of 64"),
    ({"fit": "crop"}, "`fit` must be one of stretch, letterbox; got 'crop'"),
    ({"packages": {str(i): "x" * 400 for i in range(200)}}, "All facts must fit into 64000 bytes of JSON; got"),
]


@pytest.mark.parametrize(("change", "message"), RULES)
def test_what_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        replace(FACTS, **change)
    assert message in str(error.value)


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(spoiled: float) -> None:
    with pytest.raises(InputError, match=f"`metrics` must be finite; got {spoiled} for 'val_loss'"):
        replace(FACTS, metrics={"loss": 0.5, "val_loss": spoiled})
    with pytest.raises(InputError, match=f"`preprocessing.channel_means` must be finite; got .*{spoiled}"):
        replace(FACTS, preprocessing=replace(FACTS.preprocessing, channel_means=(0.0, spoiled, 0.0)))


@pytest.mark.parametrize(("change", "message"), [rule for rule in RULES if "class_names" not in rule[0]])
def test_a_file_is_held_to_the_same_rules(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r"`model\.h5` must be valid; ") as error:
        decode_facts(json.dumps(VALUES | change).encode(), FILE)
    assert message in str(error.value) or f"`{next(iter(change))}" in str(error.value)
    assert "Value error" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_shape": [64, "64"]}, "`image_shape[1]` must be a whole number; got '64', remove the quotes"),
        ({"unknown": 1}, "`unknown` is unknown"),
        ({"architecture": NETWORK | {"backbone": "vgg"}}, "`architecture.backbone` must be one of"),
        (
            {"architecture": VALUES["architecture"] | {"fpn_channels": 2**31}},
            "`architecture.fpn_channels` must be at",
        ),
        ({"metrics": {"val_loss": "low"}}, "`metrics.val_loss` must be a number; got 'low'"),
        ({"class_names": [["a"], "b", "c"]}, "`class_names[0]` must be a text"),
    ],
)
def test_values_of_a_file_have_types_and_ranges(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r"`model\.h5` must be valid; ") as error:
        decode_facts(json.dumps(VALUES | change).encode(), FILE)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "got what cannot be read"),
        (b"\xff\xfe", "got what cannot be read"),
        (b"{'class_names': []}", "got what cannot be read"),
        (b"[" * 32_000 + b"]" * 32_000, "got what cannot be read"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "got what cannot be read"),
        (b"9" * MAX_BYTES, "got what cannot be read"),
        (b'{"metrics": {"val_loss": NaN}}', "the number NaN"),
        (b'{"fit": "stretch", "fit": "letterbox"}', "a key that occurs twice"),
        (b"null", "got a NoneType"),
        (b"[]", "got a list"),
        (b"{}", "got no class_names, image_shape, architecture, fit,"),
    ],
)
def test_text_that_is_no_json_of_facts_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(InputError, match=r"^`model\.h5` must carry ") as error:
        decode_facts(text, FILE)
    assert words in str(error.value)
    assert len(str(error.value)) < 400


def test_a_fact_that_is_missing_is_not_assumed() -> None:
    values = {name: value for name, value in VALUES.items() if name != "architecture"}
    with pytest.raises(InputError, match="must carry all facts; got no architecture"):
        decode_facts(json.dumps(values).encode(), FILE)


def test_thousands_of_faults_make_one_short_message() -> None:
    text = json.dumps(VALUES | {"class_names": [1] * 20_000}).encode()
    with pytest.raises(InputError) as error:
        decode_facts(text, FILE)
    assert len(str(error.value)) <= 1000


def test_numbers_beyond_a_float_are_refused() -> None:
    text = encode_facts(FACTS).replace(b"0.25", b"1e999")
    with pytest.raises(InputError, match=r"`metrics\.val_loss` must be"):
        decode_facts(text, FILE)
