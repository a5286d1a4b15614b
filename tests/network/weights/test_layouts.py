"""Names of tensors in released files."""

import pytest

from maskrcnn.network.weights.layouts import KERAS1, KERAS2, KERAS3, MATTERPORT, Layout, recognize_layout


@pytest.mark.parametrize(
    ("layout", "name", "path"),
    [
        (MATTERPORT, "conv1/conv1/kernel:0", "conv1/conv1/kernel:0"),
        (MATTERPORT, "rpn_model/rpn_class_raw/bias:0", "rpn_model/rpn_class_raw/bias:0"),
        (MATTERPORT, "conv1/conv1/kernel", "conv1/conv1/kernel:0"),  # Keras 3 counts no variables
        (MATTERPORT, "anchors/Variable:0", None),
        (KERAS1, "conv1/conv1_W_1:0", "conv1/conv1/kernel:0"),
        (KERAS1, "conv1/conv1_b:0", "conv1/conv1/bias:0"),
        (KERAS1, "bn_conv1/bn_conv1_running_mean_1:0", "bn_conv1/bn_conv1/moving_mean:0"),
        (KERAS1, "bn5c_branch2b/bn5c_branch2b_running_std_1:0", "bn5c_branch2b/bn5c_branch2b/moving_variance:0"),
        (KERAS1, "res2a_branch1/res2a_branch2a_W_1:0", None),  # in the group of another layer
        (KERAS2, "conv1_conv/conv1_conv/kernel:0", "conv1/conv1/kernel:0"),
        (KERAS2, "conv1_bn/gamma:0", "bn_conv1/bn_conv1/gamma:0"),
        (KERAS2, "conv2_block1_0_conv/conv2_block1_0_conv/bias:0", "res2a_branch1/res2a_branch1/bias:0"),
        (KERAS2, "conv5_block3_3_bn/conv5_block3_3_bn/beta", "bn5c_branch2c/bn5c_branch2c/beta:0"),
        (KERAS2, "conv4_block23_2_conv/conv4_block23_2_conv/kernel:0", "res4w_branch2b/res4w_branch2b/kernel:0"),
        (KERAS2, "conv2_block27_1_conv/conv/kernel:0", None),  # there are letters for 26 blocks
        (KERAS2, "conv2_block0_1_conv/conv/kernel:0", None),
        (KERAS2, "conv2_block1_4_conv/conv/kernel:0", None),
        (KERAS3, "layers/conv2d/vars/0", None),
        (KERAS2, "predictions/predictions/kernel:0", None),
    ],
)
def test_a_name_tells_its_place(layout: Layout, name: str, path: str | None):
    assert layout.translate(name) == path


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        (MATTERPORT, ["bn_conv1/bn_conv1/beta:0", "conv1/conv1/kernel:0"]),
        (KERAS1, ["bn_conv1/bn_conv1_beta_1:0", "conv1/conv1_W_1:0"]),
        (KERAS2, ["optimizer_weights/iteration", "conv1_bn/conv1_bn/beta:0"]),
        (KERAS3, ["layers/conv2d/vars/0", "optimizer/vars/1"]),
        (MATTERPORT, ["layers/vars/0", "conv1/conv1/kernel:0"]),
        (MATTERPORT, []),
    ],
)
def test_names_tell_the_layout(layout: Layout, names: list[str]):
    assert recognize_layout(names) is layout
