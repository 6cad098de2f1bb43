"""What tests and developers' tools share: a simulated trainer, conformance suites."""
