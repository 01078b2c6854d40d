"""Contact frames, friction cones and the grasp map."""
