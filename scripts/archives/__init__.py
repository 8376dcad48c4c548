"""Archives that nobody should publish, and what becomes of them when they are unpacked."""
