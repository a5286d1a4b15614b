"""The layers with weights. None of them sees the truth."""
