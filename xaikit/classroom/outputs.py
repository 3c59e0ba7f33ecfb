"""What is kept of a cell's outputs: pictures instead of live widgets, and nothing that differs from run
to run."""

import base64
import html
import re
import sys
from pathlib import Path

WIDGET = "application/vnd.jupyter.widget-view+json"
_BAR = re.compile(r"\d+%\|.*\||\d+(\.\d+)?(it|s|cell|batch|epoch)/(s|it|cell|batch|epoch)\b|\d+it \[")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,16}\b")
_KERNEL_FILE = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py(:\d+)?")
_STYLER = re.compile(r"\bT_([0-9a-f]{5})(?=[_\" ])")
_PICTURES = ("image/png", "image/jpeg", "image/svg+xml")


# ------------------------------------------------------------------------------------------ widgets
def widgets_to_pictures(nb, state, buffers):
    """Replace each live widget in ``nb`` by what it shows: its own picture or HTML if its display sent one,
    else the images, texts and outputs found among its children.  A progress bar leaves nothing."""
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if WIDGET not in output.get("data", {}):
                kept.append(output)
                continue
            view = output["data"].pop(WIDGET)
            output.get("metadata", {}).pop(WIDGET, None)
            if not any(mime in output["data"] for mime in (*_PICTURES, "text/html")):
                found = _shown(view.get("model_id"), state, buffers, set())
                if found is None:
                    continue
                output["data"] = _static(found, output["data"])
            kept.append(output)
        cell["outputs"] = kept


def _static(parts, data):
    images = [p for p in parts if p[0] == "image"]
    if len(images) == 1 and len(parts) == 1:
        _, kind, raw, alt = images[0]
        return {f"image/{kind}": raw, "text/plain": alt or "picture of an interactive figure"}
    if not parts:
        return {"text/plain": "(an interactive part, shown when the notebook is run)"}
    pieces = [
        f'<img src="data:image/{p[1]};base64,{p[2]}" alt="{html.escape(p[3] or "interactive figure")}">'
        if p[0] == "image"
        else p[1]
        for p in parts
    ]
    plain = [re.sub(r"<[^>]+>", "", p[1]) if p[0] == "html" else (p[3] or "picture") for p in parts]
    return {"text/html": "\n".join(pieces), "text/plain": "\n".join(plain)}


def _shown(model_id, state, buffers, seen):
    """What a widget shows, as a list of ("image", kind, base64, alt) and ("html", text); None for a
    progress bar."""
    if model_id in seen or model_id not in state:
        return []
    seen.add(model_id)
    own = state[model_id]
    name = own.get("_model_name", "")
    if "ProgressModel" in name:
        return None
    if name == "ImageModel":
        raw = buffers.get(model_id, {}).get(("value",), {}).get("data")
        kind = {"jpg": "jpeg"}.get(own.get("format"), own.get("format") or "png")
        return [("image", kind, _one_line(raw), own.get("alt") or own.get("tooltip") or "")] if raw else []
    if name in ("HTMLModel", "HTMLMathModel"):
        return [("html", own.get("value", ""))] if own.get("value") else []
    if name == "LabelModel":
        return [("html", f"<p>{html.escape(own.get('value', ''))}</p>")] if own.get("value") else []
    if name == "OutputModel":
        return [part for output in own.get("outputs", []) for part in _of_output(output)]
    if "value" in own and own.get("description"):  # a control: say where it stands
        return [("html", f"<p>{html.escape(own['description'])}: {html.escape(_value(own['value']))}</p>")]
    if own.get("_options_labels") and isinstance(own.get("index"), int):
        label = own["_options_labels"][own["index"]]
        return [
            ("html", f"<p>{html.escape(own.get('description') or 'choice')}: {html.escape(str(label))}</p>")
        ]
    found = []
    for child in own.get("children", []):
        parts = _shown(str(child).removeprefix("IPY_MODEL_"), state, buffers, seen)
        if parts is None:
            return None
        found += parts
    return found


def _value(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_output(output):
    data = output.get("data", {})
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            return [("image", mime.removeprefix("image/"), _one_line(data[mime]), "")]
    if "text/html" in data:
        return [("html", _joined(data["text/html"]))]
    text = _joined(output.get("text", data.get("text/plain", "")))
    return [("html", f"<pre>{html.escape(text)}</pre>")] if text.strip() else []


def _one_line(raw):
    if isinstance(raw, bytes):
        raw = base64.b64encode(raw).decode()
    return _joined(raw).replace("\n", "")


def _joined(text):
    return "".join(text) if isinstance(text, list) else text


# ------------------------------------------------------------------------------------------ volatile parts
def normalise(nb, root):
    """Make the outputs of an executed notebook the same for every run and machine: streams joined as a
    terminal would show them, progress bars dropped, memory addresses, kernel files and this machine's
    folders rewritten."""
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        outputs = []
        for output in cell.outputs:
            output.pop("transient", None)
            if output.output_type == "stream":
                last = outputs[-1] if outputs else None
                if last is not None and last.output_type == "stream" and last.name == output.name:
                    last["text"] += _joined(output.text)
                    continue
                output["text"] = _joined(output.text)
            outputs.append(output)
        kept = []
        for output in outputs:
            if output.output_type == "stream":
                output["text"] = stable_text(_terminal(output.text), root)
                if not output.text.strip():
                    continue
            for mime, content in output.get("data", {}).items():
                if mime.startswith("text/"):
                    output["data"][mime] = stable_text(_joined(content), root)
            if output.output_type == "execute_result":
                output["execution_count"] = cell.execution_count
            kept.append(output)
        cell["outputs"] = kept


def _terminal(text):
    """The text a terminal would be left with, without progress bars."""
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return "\n".join(line for line in lines if not _BAR.search(line))


def stable_text(text, root):
    """``text`` without memory addresses, temporary kernel files, or where this machine keeps things."""
    text = _KERNEL_FILE.sub("cell", _ANSI.sub("", text))
    text = _ADDRESS.sub("0x…", text)
    for place, name in (
        (sys.prefix, "python"),
        (sys.base_prefix, "python"),
        (str(root), "."),
        (str(Path.home()), "~"),
    ):
        if len(place) > 1:
            text = text.replace(place, name)
    tables = {}
    return _STYLER.sub(lambda m: f"T_{tables.setdefault(m[1], len(tables)):05d}", text)
