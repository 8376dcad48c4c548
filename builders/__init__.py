"""One package per corpus: what is true of that corpus only."""

BUILDERS = {
    "alice_eeg": "builders.alice_eeg:AliceEeg",
    "crcns_aa1": "builders.crcns_aa1:CrcnsAa1",
    "crcns_aa2": "builders.crcns_aa2:CrcnsAa2",
    "crcns_aa4": "builders.crcns_aa4:CrcnsAa4",
    "crcns_ac1": "builders.crcns_ac1:CrcnsAc1",
    "downer2025": "builders.downer2025:Downer2025",
    "espejo": "builders.espejo:Espejo",
    "le2025": "builders.le2025:Le2025",
    "nat4": "builders.nat4:Nat4",
    "ns1": "builders.ns1:Ns1",
    "wingert2026": "builders.wingert2026:Wingert2026",
}
"""Builder of each corpus, as ``module:class``; imported when asked for."""
