"""The published tables: ``python -m benchmarks`` writes them to ``benchmarks/results``."""
