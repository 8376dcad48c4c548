"""Fixtures of the tests in this folder."""

from .lab_hosts.fixtures import lab, scratch

__all__ = ["lab", "scratch"]
