"""What the corpora of CRCNS.org have in common: their terms, and where their archives are."""

from __future__ import annotations

from typing import Any

from deepstrf_hf.corpus import Archive, Licence, Redistribution

HANDING_ON = Redistribution.FORBIDDEN
"""The terms of CRCNS.org hold for every corpus whose own page does not say otherwise; none of ours does."""
ACCESS = "free account of crcns.org (https://crcns.org/register)"
"""What a download takes: the name and password of an account."""
THEUNISSEN_LAB = "the Theunissen lab, UC Berkeley"


def licence(acknowledge: str = "the contributors") -> Licence:
    """Return the terms of use of CRCNS.org.

    Parameters
    ----------
    acknowledge : str
        Whom publications must name beside CRCNS.org.
    """
    return Licence(
        name="CRCNS.org terms of use",
        hub_identifier="other",
        url="https://crcns.org/terms",
        terms="For scientific purposes only; redistribution is not permitted, except to direct collaborators on the "
        "data and to one's students; needless downloading is not permitted either. Publications, abstracts and "
        f"posters included, must name {acknowledge} and CRCNS.org as the source, and cite the papers.",
    )


def homepage(data_set: str) -> str:
    """Return the page of a data set such as ``"aa-1"``."""
    return f"https://crcns.org/data-sets/{data_set.partition('-')[0]}/{data_set}"


def archive(data_set: str, name: str, note: str, **fields: Any) -> Archive:
    """Return an archive of a data set; every download needs a free account.

    Parameters
    ----------
    data_set : str
        Such as ``"aa-1"``.
    name, note
        As in `Archive`.
    **fields
        Other fields of `Archive`.
    """
    url = f"https://download.crcns.org/{data_set}/{name}"
    return Archive(name, url, note=f"{note}; needs a free account of crcns.org", **fields)
