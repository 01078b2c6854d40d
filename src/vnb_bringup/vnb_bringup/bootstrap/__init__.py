"""Set-up of a checkout: from a bare Python to a running command. Standard library only."""
