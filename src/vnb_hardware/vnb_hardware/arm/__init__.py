"""The FR3 arm: codecs, connections and driver core, without ROS."""
