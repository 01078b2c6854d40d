"""List the known methods and beliefs."""

from __future__ import annotations


def main() -> None:
    """List the known methods and beliefs."""
    from vnb_belief.beliefs import BELIEFS
    from vnb_benchmark.methods.registry import method_names
    from vnb_planner.planners import PLANNERS

    print(f"methods    {', '.join(PLANNERS.names())}")
    print(f"beliefs    {', '.join(BELIEFS.names())}")
    print(f"benchmark  {', '.join(method_names())}")
