"""One package per corpus: what is true of that corpus only."""

BUILDERS = {
    "ns1": "builders.ns1:Ns1",
}
"""Builder of each corpus, as ``module:class``; imported when asked for."""
