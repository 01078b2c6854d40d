"""Emulated depth cameras behind a socket: whoever draws shows them images, drivers read these."""
