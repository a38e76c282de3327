"""A network as who comes from PyTorch writes it, for tests of what looks into models."""

import keras


class InTurn(keras.Model):
    """Layers one after the other, in a `call` of one's own."""

    def __init__(self, *stages):
        super().__init__()
        self.stages = list(stages)

    def call(self, x):
        for stage in self.stages:
            x = stage(x)
        return x
