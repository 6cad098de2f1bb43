"""What people write instead, as its own documentation recommends it."""
