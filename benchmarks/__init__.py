"""How fast the library is, beside captum, zennit and scikit-learn: ``python -m benchmarks [name …]``.

Every file here with a function ``rows()`` is a topic and is found by its name: ``python -m benchmarks fit`` runs
``benchmarks/fit.py`` alone.  ``rows()`` returns a pandas DataFrame, one row for each thing that was timed; the first
line of the file's docstring stands over it.  Where it has the columns ``goal`` (words) and ``met`` (True, False, or None
where nothing is asked), what is missed is counted under the name in the first column.  Nothing heavy at the top of the
file: it is imported to see whether it has rows.

    \"\"\"Fitting a thousand small networks at once (ms of processor time).\"\"\"
    def rows():
        import pandas as pd
        from . import clock
        ms = {who: 1000 * s for who, s in clock.in_turn({"ours": f, "theirs": g}, rounds=5).items()}
        return pd.DataFrame([{"what": "fit", **ms, "goal": "≤ theirs", "met": ms["ours"] <= ms["theirs"]}])
"""
