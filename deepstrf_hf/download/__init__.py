"""Fetching what labs publish: which files, from which host, verified, unpacked safely."""
