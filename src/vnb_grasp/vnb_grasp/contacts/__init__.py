"""Contact frames, friction cones and the grasp map."""

from vnb_grasp.contacts.contact_frame import contact_frames
from vnb_grasp.contacts.friction_cone import cone_edges, cone_support, in_cone
from vnb_grasp.contacts.grasp_map import edge_wrenches, grasp_map

__all__ = ["cone_edges", "cone_support", "contact_frames", "edge_wrenches", "grasp_map", "in_cone"]
