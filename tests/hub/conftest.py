"""Fixtures of the tests in this folder."""

from .fixtures import api_for, client, hub

__all__ = ["api_for", "client", "hub"]
