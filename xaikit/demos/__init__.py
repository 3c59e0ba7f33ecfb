"""The live demos: for each a pure ``compute(**values)`` that makes a picture, and the controls that feed it.

``demos.get("04").show()`` in a notebook; ``xaikit demo 04`` as an app.  A demo's name begins with its lecture's number.
"""
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Demo:
    """``compute`` takes one value per control and returns what :func:`xaikit.widgets.explore` shows.

    It is pure: the same values give the same picture, and nothing of the caller's is changed.
    """

    name: str
    lecture: str
    title: str
    compute: Callable = field(repr=False)
    controls: Mapping = field(repr=False)
    caption: str
    alt: str = ""
    width: int = 900
    make: Callable | None = field(default=None, repr=False)  # of a demo that plays: see xaikit.widgets.play
    preview: int = 0
    speed: object = None  # the Slider of its steps for each picture
    ready: Callable | None = field(default=None, repr=False)  # what no move should wait for: done once, when it opens
    widget: Callable | None = field(default=None, repr=False)  # (alt=, **controls): another widget than explore

    def show(self):
        """The widget: its controls above its picture, and play, pause, step, reset where there is something to play."""
        from ..widgets import explore
        from ..widgets.play import play

        alt = self.alt or f"{self.title}. {self.caption}"
        if self.ready:
            self.ready()
        if self.widget:
            return self.widget(alt=alt, **self.controls)
        if self.make:
            return play(self.make, alt, speed=self.speed, width=self.width, preview=self.preview, **self.controls)
        return explore(self.compute, alt, self.width, **self.controls)

    def page(self):
        """The widget below its title and above its caption, as the app shows it."""
        import ipywidgets

        return ipywidgets.VBox([ipywidgets.HTML(f"<h2>{self.title}</h2>"), self.show(),
                                ipywidgets.HTML(f"<p>{self.caption}</p>")])


def all():
    """Every demo, in the lectures' order."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("lecture"))
    modules = [importlib.import_module(f".{name}", __name__) for name in names]
    return [demo for module in modules if hasattr(module, "demos") for demo in module.demos()]


def get(name):
    """The demo of that name; ValueError lists the names if there is none."""
    found = {demo.name: demo for demo in all()}
    if name not in found:
        raise ValueError(f"no demo {name!r}; there are {', '.join(found)}")
    return found[name]


def browse():
    """A list of all demos and the chosen one below it; the one before is closed."""
    import ipywidgets

    from ..widgets import close

    found = all()
    choice = ipywidgets.Dropdown(options=[(f"{demo.name}   {demo.title}", demo.name) for demo in found],
                                 description="demo", layout={"width": "520px"})
    holder = ipywidgets.VBox([found[0].page()])

    def chosen(change):
        shown = holder.children
        holder.children = [get(change["new"]).page()]
        for page in shown:
            close(page)

    choice.observe(chosen, "value")
    return ipywidgets.VBox([choice, holder])
