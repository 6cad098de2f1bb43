"""The commands, a module each: compose, build, run, always close."""
