"""Spectrograms and other representations of sound."""
