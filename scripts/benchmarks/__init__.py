"""What `scripts/benchmark.py` measures, a module per section, and what the sections share."""
