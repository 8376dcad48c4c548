"""What a user must know before the first download of a corpus."""

from __future__ import annotations

from deepstrf_hf.corpus import Corpus, Redistribution

HANDED_ON = {
    Redistribution.PERMITTED: "The data may be handed on under these terms.",
    Redistribution.UNVERIFIED: "Whether the data may be handed on is not verified: do not, unless the authors agree.",
    Redistribution.FORBIDDEN: "The data may not be handed on.",
}


def terms_of(corpus: Corpus) -> str:
    """Return the terms of a corpus as text: licence, what it asks for, access, whom to cite.

    Parameters
    ----------
    corpus : Corpus
        Its declaration.
    """
    lines = [
        f"{corpus.title}",
        f"Licence: {corpus.licence.name} ({corpus.licence.url}). {corpus.licence.terms}",
        HANDED_ON[corpus.redistribution],
        *(cohort.audio_terms for cohort in corpus.cohorts if cohort.audio_terms),
        f"Access: {corpus.access}. Published at {corpus.homepage}",
        f"Cite: {', '.join(f'doi {doi}' for doi in corpus.dois)}; `deepstrf-hf info {corpus.name}` has it as BibTeX.",
    ]
    return "\n".join(dict.fromkeys(lines))
