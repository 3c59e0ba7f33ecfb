"""How fast the library is, beside captum and zennit: ``python -m benchmarks``."""
