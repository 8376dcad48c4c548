"""What was published about Wehr's 25 cells: constants of deepSTRF 0.1.0, by position of the session's folder.

They rest on another count of stimuli than this corpus's rows (every block of an earlier pipeline that was not a tuning
curve, silence or white noise, repeated blocks counted apart): cell 23 has 63 of them, where 51 stimuli exist in all.
Which clip went into which part was never published. They are kept as a record and cannot divide these rows.
"""

from __future__ import annotations

VALID_CELLS = frozenset((0, 3, 5, 6, 7, *range(9, 25)))
"""The 21 cells that were analysed; 1, 2 and 8 do not respond, and 4 has too little data."""
DIVISION = (
    (7, 2, 2), (5, 1, 1), (3, 1, 1), (7, 1, 1), (1, 1, 1), (6, 1, 1), (3, 1, 1), (1, 1, 1), (4, 1, 1), (7, 1, 2),
    (11, 2, 3), (25, 4, 7), (7, 1, 2), (25, 4, 7), (7, 1, 1), (14, 3, 5), (25, 4, 7), (17, 3, 5), (5, 1, 1), (11, 2, 3),
    (5, 1, 1), (12, 2, 4), (7, 2, 2), (44, 6, 13), (4, 1, 1),
)  # fmt: skip
"""Stimulus blocks for training, validation and test, by cell."""
FIRST_SESSIONS = ("20020508-mw-003", "20020530-mw-001", "20020602-mw-001")
"""The first three session folders of the complete corpus."""


def is_complete(sessions: list[str]) -> bool:
    """Return whether positions in a sorted list of session folders are those that the constants refer to."""
    return len(sessions) >= len(DIVISION) and tuple(sessions[: len(FIRST_SESSIONS)]) == FIRST_SESSIONS


def published_columns(position: int) -> dict[str, bool | int]:
    """Return the neuron columns of the cell at a position of the complete corpus; none beyond the 25 cells."""
    if position >= len(DIVISION):
        return {}
    train, validation, test = DIVISION[position]
    return {
        "published_valid": position in VALID_CELLS,
        "published_n_train": train,
        "published_n_validation": validation,
        "published_n_test": test,
    }
