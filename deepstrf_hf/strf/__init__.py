"""Linear receptive fields: fitting, and how well they predict."""
