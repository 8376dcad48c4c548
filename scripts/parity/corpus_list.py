"""All corpora that are compared with deepSTRF 0.1.0."""

from __future__ import annotations

from scripts.parity.corpus_aa4 import AA4
from scripts.parity.corpus_ac1 import ASARI_A1, ASARI_MGB, WEHR
from scripts.parity.corpus_alice_eeg import ALICE_EEG, ALICE_EEG_HARD
from scripts.parity.corpus_declaration import CorpusParity
from scripts.parity.corpus_downer2025 import DOWNER2025
from scripts.parity.corpus_espejo import NAT, VMN
from scripts.parity.corpus_finch import AA1, AA2
from scripts.parity.corpus_le2025 import LE2025
from scripts.parity.corpus_nat4 import NAT4
from scripts.parity.corpus_ns1 import NS1
from scripts.parity.corpus_wingert2026 import WINGERT2026

CORPORA: dict[str, CorpusParity] = {
    corpus.name: corpus
    for corpus in (
        NS1,
        AA1,
        AA2,
        AA4,
        WEHR,
        ASARI_A1,
        ASARI_MGB,
        NAT,
        VMN,
        *NAT4,
        *LE2025,
        *WINGERT2026,
        *DOWNER2025,
        ALICE_EEG,
        ALICE_EEG_HARD,
    )
}
"""By their names on the command line."""
