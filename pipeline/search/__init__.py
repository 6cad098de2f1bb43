"""Which network to try next: the only importer of Optuna."""
