"""An FR3 controller: XML-RPC, both state streams and kinematics."""
