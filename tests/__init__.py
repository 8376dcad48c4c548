"""Tests of deepstrf-hf."""
