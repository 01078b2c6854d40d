"""List the known objects, hands and friction regimes."""

from __future__ import annotations


def main() -> None:
    """List the known objects, hands and friction regimes."""
    from vnb_grasp.description import known_hands, known_objects, load_object
    from vnb_sim_bridge.scenario import REGIMES

    for name in known_objects():
        thing = load_object(name)
        print(f"{name:<18} {1e3 * thing.mass:4.0f} g   force cap {thing.force_cap:g} N   {thing.material}")
    print(f"\nhands    {', '.join(known_hands())}\nregimes  {', '.join(REGIMES.names())}")
