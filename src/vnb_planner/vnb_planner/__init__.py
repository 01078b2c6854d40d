"""Risk measures, costs and planners: from a belief over contacts to finger velocities."""
