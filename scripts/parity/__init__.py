"""Comparisons with deepSTRF 0.1.0, one module per section of ``scripts/parity_with_deepstrf.py``.

deepSTRF is run as an oracle and never imported by the process of the script: `plugin` and `on_both` run in deepSTRF's
own environment.
"""
