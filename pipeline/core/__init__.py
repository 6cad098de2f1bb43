"""Values and rules of the project: standard library and numpy only."""
