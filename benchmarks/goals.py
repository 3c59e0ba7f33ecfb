"""What is fast enough: one function for each method, from the measured multiples to (what is asked, met or
not)."""


def _peers(row):
    return [value for who, value in row.items() if who != "ours" and isinstance(value, float)]


def _best(row):
    return min(_peers(row), default=float("inf"))


def _guided(row, large, **_):
    met = row["ours"] <= 1.05 * _best(row) and (not large or row["ours"] <= 1.1)
    return ("≤ 1.1 and " if large else "") + "≤ 1.05 × best peer", met


def _share_of_best(share):
    def goal(row, **_):
        return (f"≤ {share:g} × best peer" if share != 1 else "≤ best peer"), row["ours"] <= share * _best(
            row
        )

    return goal


def _occlusion(row, single, **_):
    return ("≤ 0.6 × captum's default", row["ours"] <= 0.6 * row["captum"]) if single else ("", None)


def _integrated(row, gaps, **_):
    met = row["ours"] <= 0.8 * row["captum"] and gaps[0] <= gaps[1] * 1.01 + 1e-6
    return f"≤ 0.8 × captum's default, gap {gaps[0]:.1e} ≤ {gaps[1]:.1e} + 1e-6 (rounding)", met


def _alpha_beta(row, **_):
    if not isinstance(row.get("zennit"), float):
        return "", None
    return "≤ 0.65 × zennit", row["ours"] <= 0.65 * row["zennit"]


GOALS = {
    "guided_backprop": _guided,
    "deconvnet": _guided,
    "grad_cam": _share_of_best(1),
    "occlusion": _occlusion,
    "integrated_gradients": _integrated,
    "lrp_epsilon": _share_of_best(0.75),
    "lrp_alpha_beta": _alpha_beta,
}
