"""``deepstrf-hf doctor``: whether this machine is fit for the library, without any request to the network."""

from __future__ import annotations

from deepstrf_hf.doctor.findings import NOTE, PROBLEM, Check, Diagnosis
from deepstrf_hf.doctor.machine import examine_machine
from deepstrf_hf.doctor.packages import CORE, examine_packages

__all__ = ["examine"]


def examine() -> Diagnosis:
    """Look at installed packages, corpora of other packages, logins, directories, and the machine.

    Packages are imported in another process. Nothing is changed, and no request is made.
    """
    packages = examine_packages()
    if any(check.topic == CORE and check.verdict == PROBLEM for check in packages):
        rest = [Check("corpora, logins, storage", "not looked at", NOTE, "a package is missing or broken", "see above")]
    else:
        rest = _examine_with_packages()
    return Diagnosis((*packages, *rest, *examine_machine()))


def _examine_with_packages() -> list[Check]:
    # These import what a broken installation does not have.
    from deepstrf_hf.doctor.corpora import examine_corpora
    from deepstrf_hf.doctor.logins import examine_logins
    from deepstrf_hf.doctor.storage import examine_storage

    return [*examine_corpora(), *examine_logins(), *examine_storage()]
