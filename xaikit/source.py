"""Reading the library inside a notebook: ``show_source(function)`` shows the code that is about to run."""

import inspect
import textwrap

from .plot import Html


def show_source(*objects, doc=True):
    """The source of functions, classes or modules of ours, highlighted; returns HTML with a plain text twin.

    ``doc=False`` leaves out a function's docstring.  TypeError for what has no Python source.
    """
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    code = "\n\n".join(_source(o, doc).rstrip() for o in objects)
    style = HtmlFormatter(
        noclasses=True,
        style="friendly",
        nobackground=True,
        prestyles="margin:0;font-family:monospace;font-size:90%;line-height:1.35;overflow-x:auto",
    )
    label = ", ".join(getattr(o, "__name__", str(o)) for o in objects)
    html = Html(
        f'<div role="region" aria-label="source of {label}" '
        f'style="border-left:3px solid #999;padding:4px 10px">'
        f"{highlight(code, PythonLexer(), style)}</div>"
    )
    html.plain = code
    return html


def _source(thing, doc):
    try:
        code = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError) as error:
        raise TypeError(
            f"{thing!r} has no Python source to show; pass a function, a class or a module"
        ) from error
    if not doc and inspect.isfunction(thing) and thing.__doc__:
        raw = code.split('"""')
        if len(raw) >= 3:  # head, docstring, rest
            code = raw[0].rstrip() + '"""'.join(raw[2:])
    return code
