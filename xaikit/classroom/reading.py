"""Reading cells of Python without running them: what they check, what they define, what they need."""

import ast
import builtins
import functools
import re
import symtable
import warnings

_CHECK_TEXT = re.compile(r"""\bcheck\(\s*["']([^"']{1,20})["']\s*,\s*([A-Za-z_]\w*)""")
_BOUND_TEXT = re.compile(r"^(?:def|class)\s+(\w+)|^(\w+)\s*=", re.M)


def _tree(source):
    from IPython.core.inputtransformer2 import TransformerManager

    lines = source.lstrip().split("\n")
    if lines[0].startswith("%%"):  # a cell magic such as %%time: what follows is what it runs
        source = "\n".join(lines[1:])
    trouble = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
    for text in (lambda: source, lambda: TransformerManager().transform_cell(source)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                text = text()
                flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                return compile(text, "cell", "exec", flags, dont_inherit=True), text
        except trouble:
            continue
    return None, source


@functools.lru_cache(4096)
def checked(source):
    """The (exercise, expression) of each ``check("…", expression)`` in a cell, in order."""
    tree, text = _tree(source)
    if tree is None:
        return [(m[1], m[2]) for m in _CHECK_TEXT.finditer(text)]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "check":
            first = node.args[0] if node.args else None
            second = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords), None)
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and second is not None:
                expression = ast.get_source_segment(text, second)
                if expression:
                    found.append((node.lineno, first.value, expression))
    return [(exercise, expression) for _, exercise, expression in sorted(found)]


@functools.lru_cache(4096)
def names(source):
    """(names a cell binds at its top level, global names it reads, also inside functions)."""
    tree, text = _tree(source)
    if tree is None:
        return {a or b for a, b in _BOUND_TEXT.findall(text)}, set()
    binds, reads = set(), set()
    try:
        tables = [symtable.symtable(text, "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return binds, reads
    top = tables[0]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if table is top:
                if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                    binds.add(symbol.get_name())
                if symbol.is_referenced():
                    reads.add(symbol.get_name())
            elif symbol.is_global():
                (binds if symbol.is_assigned() else reads).add(symbol.get_name())
    return binds, reads - set(dir(builtins))


def only_imports(source):
    """Whether a cell does nothing but import."""
    tree, _ = _tree(source)
    return (
        tree is not None
        and bool(tree.body)
        and all(isinstance(x, ast.Import | ast.ImportFrom) for x in tree.body)
    )
