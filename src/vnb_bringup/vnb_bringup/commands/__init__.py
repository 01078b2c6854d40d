"""One module per command.

Its name is the command's, its first docstring line the help, its ``main`` the typer function.
"""
