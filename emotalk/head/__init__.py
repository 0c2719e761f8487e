"""The parametric head: 52 ARKit shapes, an identity basis and six joints."""

from emotalk.head.mesh import JOINT_NAMES, HeadMesh, landmark_points, triangle_frames
from emotalk.head.model import HeadModel

__all__ = ["JOINT_NAMES", "HeadMesh", "HeadModel", "landmark_points", "triangle_frames"]
