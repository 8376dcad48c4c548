"""Streams that several nodes share: processes of torch.distributed, nodes of a Ray cluster."""
