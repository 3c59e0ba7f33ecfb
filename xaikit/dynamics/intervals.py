"""How sure the mean of a few independent runs is."""


def student(values, axis=0, level=0.95):
    """(mean, low, high) along ``axis``: Student's interval for the mean of independent runs, two or more.

    ``values``: numbers or a tensor; one axis gives three floats, more axes three arrays without ``axis``.
    """
    import numpy as np
    from scipy import stats

    values = np.asarray(values, float)
    if values.ndim == 0 or (n := values.shape[axis]) < 2:
        raise ValueError(f"an interval needs at least two runs, not values of shape {values.shape}")
    mean = values.mean(axis)
    half = stats.t.ppf((1 + level) / 2, n - 1) * values.std(axis, ddof=1) / n**0.5
    found = mean, mean - half, mean + half
    return tuple(float(v) for v in found) if values.ndim == 1 else found
