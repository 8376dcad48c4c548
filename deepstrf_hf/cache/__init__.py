"""The local cache of opened grids: where it is, how large it may be, and how files are known by their content."""
