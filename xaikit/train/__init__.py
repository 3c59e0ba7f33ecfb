"""Fit one network (``fit``), or many at once (``fit_many``): any mixture of seeds, data, widths and settings."""
from .many import Histories, Now, fit_many
from .one import History, accuracy, fit

__all__ = ["Histories", "History", "Now", "accuracy", "fit", "fit_many"]
