"""One module per command: its name is the command's, its first docstring line the help, its ``main`` the typer function."""
