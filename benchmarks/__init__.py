"""Side-by-side measurements, each with a dated result file under ``benchmarks/results``."""
