"""The network: its arithmetic, its layers, their wiring and the weights that it reads and writes."""

PARTS = ("backbone", "fpn", "rpn_head", "box_head", "mask_head")  # attributes of `MaskRCNN`, in the order of the data
