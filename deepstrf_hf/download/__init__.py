"""Getting the raw files of a corpus from where its lab publishes them: download, check, unpack."""
