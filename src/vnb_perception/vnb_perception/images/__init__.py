"""From depth images to clusters of points that may be the object."""
