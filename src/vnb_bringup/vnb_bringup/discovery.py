"""What every launch file begins with, so that nothing leaves the machine by itself."""

from launch.actions import SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable

RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def stay_local() -> SetEnvironmentVariable:
    """Return the action that keeps discovery on this machine unless the user has set its range."""
    return SetEnvironmentVariable(RANGE, EnvironmentVariable(RANGE, default_value="LOCALHOST"))
