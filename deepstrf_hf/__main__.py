"""``python -m deepstrf_hf``: the command line."""

from deepstrf_hf.cli import main

if __name__ == "__main__":
    main()
