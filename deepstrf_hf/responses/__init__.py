"""Responses: binning of spike times, published preprocessing, response quality."""
