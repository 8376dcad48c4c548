"""Jobs for maintainers: benchmarks, demonstrations, figures. Not part of the installed package."""
