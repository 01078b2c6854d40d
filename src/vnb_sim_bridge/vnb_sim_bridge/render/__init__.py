"""Pictures of the world, drawn off screen."""
