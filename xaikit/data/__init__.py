"""Data sets of one type.  The made-up ones exist because their truth is known: an explanation can be scored against it."""
from .dataset import Dataset, resize
from .digits import digits
from .downloads import cifar10, mnist
from .photos import photo, photos
from .scenes import scenes
from .sentences import PAD, UNKNOWN, VOCABULARY, decode, encode, sentences
from .shapes import shapes

__all__ = ["PAD", "UNKNOWN", "VOCABULARY", "Dataset", "cifar10", "decode", "digits", "encode", "mnist", "photo", "photos",
           "resize", "scenes", "sentences", "shapes"]
