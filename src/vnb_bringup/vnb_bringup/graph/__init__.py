"""The node graph: composed in one process or started as processes, and the conductor that runs trials through it."""
