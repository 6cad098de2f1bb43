"""Processes: who plans a sweep, who trains its trials, who looks after them."""
