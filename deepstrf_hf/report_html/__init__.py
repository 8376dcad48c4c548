"""The report page: one HTML file about a built corpus, to be looked at, that needs nothing but itself.

The public function is `deepstrf_hf.report_page`, which a package of that name would hide.
"""

from __future__ import annotations

DEFAULT_OUTPUT, DEFAULT_MEGABYTES = "report.html", 40.0
