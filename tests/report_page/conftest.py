"""Fixtures of the tests of the report page."""

from tests.browser import browser, chromium  # noqa: F401
from tests.report_page.corpora import know_toys  # noqa: F401
