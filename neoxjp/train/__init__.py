"""Build a vocabulary, pack text, train a model, measure it: what `neoxjp train`, `evaluate` and `train-vocabulary` run."""

from typing import TYPE_CHECKING

from neoxjp import lazy_names

if TYPE_CHECKING:
    from neoxjp.train.corpus import pack
    from neoxjp.train.loop import train
    from neoxjp.train.settings import TrainSettings
else:
    __getattr__ = lazy_names(__name__, {"corpus": ("pack",), "loop": ("train",), "settings": ("TrainSettings",)})

__all__ = ["TrainSettings", "pack", "train"]
