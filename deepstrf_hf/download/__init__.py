"""Fetch what labs publish: resumable transfers that are checked, from hosts that need a login and hosts that do not."""
