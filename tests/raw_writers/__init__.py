"""Writers of small synthetic raw trees, one module per corpus, in the true layout of each."""
