"""A loopback Hub that the unmodified ``datasets`` and ``huggingface_hub`` clients talk to."""
