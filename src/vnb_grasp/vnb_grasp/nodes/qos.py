"""Quality of service of every topic of the graph."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

CHAIN = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Links of the decision loop: in lockstep a lost message would stop the loop. Publishers and subscribers."""

IMAGES = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
"""Publishers of raw images: they keep as many, some 25 MB, for a recorder that gets no time for seconds."""

COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Commands: none may be lost, and only the latest counts."""

CLOCK = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Publisher of /clock; subscribers are best effort, as everywhere in ROS 2."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""What a late joiner must still get."""

VIEW = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Pictures and clouds for whoever looks, made only while somebody does: the latest counts, viewers of any kind fit."""
