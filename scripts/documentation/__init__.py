"""The generated pages of the documentation site: corpora, API and command line."""
