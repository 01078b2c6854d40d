"""An L6 hand on a CAN bus, in process or behind a pseudo-terminal."""
