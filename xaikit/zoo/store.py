"""Where shipped weights lie, and that what is read is what was written."""
import hashlib
import json
import os
import tempfile

from .. import home
from ..errors import DamagedFile


def folder():
    """``data/weights`` of the course."""
    return home() / "data" / "weights"


def cards():
    """All cards, {name: dict}.  DamagedFile if the file of cards cannot be read as such."""
    path = folder() / "cards.json"
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not a table of cards")
    except (ValueError, OSError) as error:
        raise DamagedFile(f"{path} is damaged ({error}): get it again, e.g. `git checkout data/weights`") from error
    return found


def card(name):
    """The card of one network."""
    found = cards()
    if not (isinstance(found.get(name), dict) and {"sha256", "data"} <= found[name].keys()
            and found[name].keys() & {"accuracy", "score"}):
        raise DamagedFile(f"{folder() / 'cards.json'} is missing or has no whole card for {name!r}: get it again "
                          f"(`git checkout data/weights`), or make the network anew (`xaikit train {name} --save`)")
    return found[name]


def read(name):
    """The state dict of ``name``.  DamagedFile, naming the file, unless its sha256 is the one on the card."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    expected, path = card(name)["sha256"], folder() / f"{name}.safetensors"
    remedy = f"get it again (`git checkout data/weights`), or make it anew (`xaikit train {name} --save`)"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    if hashlib.sha256(raw).hexdigest() != expected:
        raise DamagedFile(f"{path} ({len(raw)} bytes) is damaged: its sha256 is not the one on the card; {remedy}")
    try:
        return load(raw)
    except SafetensorError as error:
        raise DamagedFile(f"{path} is no safetensors file ({error}): {remedy}") from error


def write(name, state, facts):
    """Write weights, then the card; each file is whole or not there at all.  Returns the path of the weights."""
    from safetensors.torch import save

    raw = save({k: v.detach().cpu().contiguous() for k, v in state.items()})
    path = folder() / f"{name}.safetensors"
    everything = cards()
    everything[name] = facts | {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    _replace(path, raw)
    _replace(folder() / "cards.json", (json.dumps(everything, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return path


def _replace(path, raw):
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp lets only the owner read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
