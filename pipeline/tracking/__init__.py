"""What happened in a sweep: the durable event log, and its mirror in MLflow."""
