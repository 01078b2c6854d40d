"""What all action servers share."""

from __future__ import annotations

RESULT_TIMEOUT = 60
"""How long a server keeps the result of a goal that has ended [s]. Clients ask at once; rclpy's own 900 s would let a
server that is asked every second remember, and publish in each status, close to a thousand goals."""
