"""Every figure the course draws, in one style.

Functions take and return matplotlib Axes (``ax=None`` makes one), or make the pixels of a picture for a widget.
Signed quantities use one diverging map, centred at zero: **red speaks for, blue against**, pale grey for nothing.
Its two ends differ in lightness as well as in hue from the middle, and the line colours are Okabe and Ito's
(2008), so that no figure relies on telling red from green.
"""
import functools
import html
import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

INK, MUTED, RULE = "#222222", "#666666", "#d9d9d9"
FOR, AGAINST = "#b2182b", "#2166ac"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (6, 2)))
SIGNED = LinearSegmentedColormap.from_list("signed", [
    "#08306b", "#2166ac", "#6aaed6", "#c6dbef", "#f7f7f7", "#fdd0ba", "#ef8a62", "#b2182b", "#67001f"]).with_extremes(bad="#ffe600")
_SIGNED_RGB = (SIGNED(np.linspace(0, 1, 511))[:, :3] * 255).round().astype(np.uint8)

STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "axes.titlesize": 10.5, "axes.labelsize": 10,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "legend.frameon": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED, "xtick.color": MUTED,
    "ytick.color": MUTED, "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=COLORS), "lines.linewidth": 1.8, "axes.grid": False,
    "grid.color": RULE, "grid.linewidth": 0.6, "axes.titlelocation": "left", "axes.titlepad": 6,
    "figure.facecolor": "white", "axes.facecolor": "white", "figure.dpi": 110, "savefig.dpi": 110,
    "figure.constrained_layout.use": True, "image.interpolation": "nearest", "mathtext.fontset": "dejavusans",
}


def styled(function):
    """Run ``function`` with the course's style, and leave matplotlib's settings as they were."""
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with plt.rc_context(STYLE):
            result, interactive = function(*args, **kwargs), plt.isinteractive()
        plt.interactive(interactive)  # a notebook's backend sets it with the first figure, and leaving the style would undo that
        return result
    return wrapper


@styled
def subplots(rows=1, cols=1, size=None, **options):
    """``(figure, axes)`` in the course's style; ``size`` in inches, by default 3.2 × 2.8 per panel."""
    return plt.subplots(rows, cols, figsize=size or (3.2 * cols + 0.6, 2.8 * rows), **options)


def array(x):
    """``x`` (tensor, array, list) as a numpy array of floats, without a leading batch axis of one."""
    x = np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x)
    x = x / 255.0 if x.dtype == np.uint8 else x.astype(float)
    return x[0] if x.ndim == 4 and x.shape[0] == 1 else x


def pixels(x):
    """An image (H,W), (C,H,W) or (H,W,3), C of 1 or 3, in [0,1] (or uint8) as floats (H,W,3) in [0,1]."""
    x = array(x)
    if x.ndim == 3 and x.shape[0] in (1, 3):
        x = x.transpose(1, 2, 0)
    if x.ndim == 2:
        x = x[..., None]
    if x.ndim != 3 or x.shape[2] not in (1, 3):
        raise ValueError(f"an image is (H,W), (1 or 3,H,W) or (H,W,3); this has shape {x.shape}")
    return np.clip(np.broadcast_to(x, (*x.shape[:2], 3)), 0, 1)


def flat(attribution):
    """An attribution (H,W) or (C,H,W) as one signed number per pixel, (H,W): the sum over channels."""
    a = array(attribution)
    if a.ndim == 3:
        a = a.sum(0)
    if a.ndim != 2:
        raise ValueError(f"an attribution map is (H,W) or (C,H,W); this has shape {a.shape}")
    return a


def limit_of(a, quantile=1.0):
    """The largest absolute value (or that quantile of it), never zero: the end of a scale centred at zero."""
    a = np.abs(np.asarray(a, float))
    a = a[np.isfinite(a)]
    top = float(np.quantile(a, quantile)) if a.size else 0.0
    return top or (float(a.max()) if a.size else 0.0) or 1.0


def signed_rgb(attribution, limit=None):
    """A signed map as colours, (H,W,3) uint8: ``-limit`` blue, 0 pale, ``+limit`` red; NaN is yellow."""
    a = flat(attribution)
    scaled = np.clip(a / (limit or limit_of(a)), -1, 1)
    rgb = _SIGNED_RGB[np.nan_to_num((scaled + 1) * 255).round().astype(int)]
    return np.where(np.isnan(a)[..., None], np.uint8([255, 230, 0]), rgb) if np.isnan(a).any() else rgb


def overlay(image, attribution, limit=None):
    """The attribution's colours over the image in faded grey, (H,W,3) uint8; opaque where credit is large."""
    a = flat(attribution)
    grey = 1 - 0.45 * (1 - pixels(image).mean(2, keepdims=True))
    if grey.shape[:2] != a.shape:
        raise ValueError(f"the image is {grey.shape[:2]} pixels and the attribution {a.shape}")
    limit = limit or limit_of(a)
    alpha = np.clip(np.abs(a) / limit, 0, 1)[..., None] ** 0.6
    return ((grey * (1 - alpha) + signed_rgb(a, limit) / 255 * alpha) * 255).round().astype(np.uint8)


@styled
def image(x, ax=None, title=None):
    """Draw an image (see :func:`pixels`) without axes; returns the Axes."""
    ax = ax or subplots()[1]
    ax.imshow(pixels(x))
    _frame(ax, title)
    return ax


@styled
def heatmap(attribution, image=None, ax=None, title=None, limit=None, colorbar=True, label="credit", quantile=1.0):
    """Draw a signed map (H,W) or (C,H,W), on a scale centred at zero, over ``image`` in faded grey if given.

    ``limit`` fixes the scale's end; otherwise it is the largest absolute value (or that ``quantile``).
    """
    ax = ax or subplots()[1]
    a = flat(attribution)
    limit = limit or limit_of(a, quantile)
    shown = ax.imshow(a, cmap=SIGNED, vmin=-limit, vmax=limit)
    if image is not None:
        ax.imshow(overlay(image, a, limit))
    if colorbar:
        over = "both" if np.nanmax(np.abs(a), initial=0) > limit * 1.0001 else "neither"
        bar = ax.figure.colorbar(shown, ax=ax, fraction=0.046, pad=0.03, extend=over)
        bar.outline.set_visible(False)
        bar.set_label(label)
        bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:.2g}".replace("-", "−"), "0", f"{limit:.2g}"])
    _frame(ax, title)
    return ax


@styled
def grid(images, titles=None, columns=None, signed=False, size=1.6):
    """Draw pictures side by side; ``signed`` (a bool or one per picture) marks attribution maps.

    Returns the list of Axes, one per picture; ``size`` is a picture's side in inches.
    """
    images = list(images)
    columns = columns or min(len(images), 6)
    rows = -(-len(images) // columns)
    signed = [signed] * len(images) if isinstance(signed, bool) else list(signed)
    titles = list(titles) if titles is not None else [None] * len(images)
    height = size + (0.3 if any(titles) else 0.05)
    fig, axes = subplots(rows, columns, size=(columns * size, rows * height), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, picture, is_signed, title in zip(axes.flat, images, signed, titles, strict=False):
        ax.set_axis_on()
        (heatmap(picture, ax=ax, title=title, colorbar=False) if is_signed else image(picture, ax, title))
        ax.title.set_fontsize(9)
    return list(axes.flat)[:len(images)]


@styled
def curves(lines, x=None, ax=None, xlabel="", ylabel="", title=None, log="", legend=True):
    """Draw named lines: ``lines`` is {name: y} (with ``x``) or {name: (x, y)}; ``log`` is "", "x", "y" or "xy"."""
    ax = ax or subplots(size=(5.6, 3.4))[1]
    for i, (name, line) in enumerate(dict(lines).items()):
        xs, ys = line if isinstance(line, tuple) else (x if x is not None else np.arange(len(line)), line)
        ax.plot(array(xs), array(ys), label=name, color=COLORS[i % len(COLORS)], ls=DASHES[i % len(DASHES)])
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if "x" in log else "linear",
           yscale="log" if "y" in log else "linear")
    ax.grid(True, axis="y")
    if title:
        ax.set_title(title)
    if legend and len(lines) > 1:
        ax.legend()
    return ax


@styled
def bars(values, labels=None, ax=None, xlabel="credit", title=None):
    """Draw signed horizontal bars with their numbers: {name: number}, or {group: numbers} with ``labels``."""
    values = {str(k): np.atleast_1d(array(v)) for k, v in dict(values).items()}
    count = max(len(v) for v in values.values())
    ax = ax or subplots(size=(4.6, 0.5 + 0.3 * count * len(values) + 0.35))[1]
    width = 0.8 / count
    for row, numbers in enumerate(values.values()):
        for j, v in enumerate(numbers):
            y = row + (j - (count - 1) / 2) * width
            ax.barh(y, v, height=width * 0.86, color=FOR if v > 0 else AGAINST)
            name = f"{labels[j]} " if labels is not None and count > 1 else ""
            ax.annotate(f"{name}{v:+.3g}".replace("-", "−") if v else f"{name}0", (v, y),
                        xytext=(4 if v >= 0 else -4, 0), textcoords="offset points", va="center",
                        ha="left" if v >= 0 else "right", fontsize=8.5, color=INK)
    ax.axvline(0, color=MUTED, lw=0.8)
    ax.set(yticks=range(len(values)), yticklabels=list(values), xlabel=xlabel)
    ax.margins(x=0.28)
    ax.invert_yaxis()
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if title:
        ax.set_title(title)
    return ax


class Html(str):
    """HTML that a notebook shows; ``.plain`` says the same where there is no browser."""

    plain = ""

    def _repr_html_(self):
        return str(self)

    def __repr__(self):
        return self.plain or str(self)


def words(tokens, credit, limit=None):
    """Words on a ground of their credit's colour (red for, blue against), the number below each; returns Html."""
    tokens, credit = [str(t) for t in tokens], array(credit).reshape(-1)
    if len(tokens) != len(credit):
        raise ValueError(f"{len(tokens)} words but {len(credit)} credits: one number per word is needed")
    rgb = signed_rgb(credit[None], limit)[0] if tokens else []
    spans = []
    for token, c, colour in zip(tokens, credit, rgb, strict=True):
        dark = colour @ np.array([0.299, 0.587, 0.114]) < 140
        spans.append(
            f'<span style="display:inline-block;text-align:center;margin:2px;padding:3px 7px;border-radius:4px;'
            f'background:rgb({colour[0]},{colour[1]},{colour[2]});color:{"#fff" if dark else INK}">'
            f'{html.escape(token)}<br><small>{f"{c:+.2f}".replace("-", "−")}</small></span>')
    plain = " ".join(f"{t} ({c:+.2f})" for t, c in zip(tokens, credit, strict=True))
    out = Html(f'<div role="img" aria-label="{html.escape(plain)}">{"".join(spans)}</div>')
    out.plain = plain
    return out


def jpeg(picture, quality=88, subsampling=0):
    """A picture ((H,W) or (H,W,3) uint8, floats in [0,1], a PIL image or a Figure) as the bytes of a JPEG file.

    Full colour resolution (subsampling 0): thin red and blue marks would otherwise bleed into grey.
    """
    if isinstance(picture, Figure):
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())[..., :3]
    if not isinstance(picture, Image.Image):
        picture = np.asarray(picture)
        if picture.dtype != np.uint8:
            picture = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
        picture = Image.fromarray(np.ascontiguousarray(picture))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()


def describe(fig, text):
    """Give a Figure (or an Axes' figure) its alt text: the notebook's PNG carries it, and pages made from it."""
    fig = getattr(fig, "figure", fig)
    fig.alt = str(text)
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None:
        if "inline" in plt.get_backend():  # there each figure would be drawn twice: after the cell, and to be sent
            plt.uninstall_repl_displayhook()
        _alt_in_png(shell.display_formatter.formatters["image/png"])
        shell.display_formatter.formatters["text/plain"].for_type(
            Figure, lambda f, p, cycle: p.text(getattr(f, "alt", "") or repr(f)))


def _alt_in_png(formatter):
    """Let the notebook's PNG of a described figure carry ``alt`` in its metadata, which HTML pages show."""
    known = formatter.type_printers.get(Figure)
    if known is None or getattr(known, "with_alt", False):
        return

    def png(fig):
        data = known(fig)
        alt = getattr(fig, "alt", None)
        return (data[0], {**data[1], "alt": alt}) if alt and isinstance(data, tuple) else (
            (data, {"alt": alt}) if alt and data is not None else data)

    png.with_alt = True
    formatter.for_type(Figure, png)


def _frame(ax, title):
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=RULE, linewidth=0.6)
    if title:
        ax.set_title(title)
