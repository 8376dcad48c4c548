"""Version of the distribution and of the row contract."""

__version__ = "0.1.0"

TABLE_VERSION = 1
"""Version of the table contract (columns and their meaning); raised when a reader of the old tables would misread."""
