"""The hosts that labs publish at, on the loopback: Zenodo, OSF, figshare, DRUM, GitHub, Bitbucket, CRCNS."""
