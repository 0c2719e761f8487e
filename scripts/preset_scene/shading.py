"""Small vocabulary for building Blender material graphs in Python."""

from __future__ import annotations

import bpy

Socket = bpy.types.NodeSocket
Value = "Socket | float | tuple[float, float, float]"


class Graph:
    """The node tree of one new material with a Principled BSDF; sockets, numbers and colours mix freely."""

    def __init__(self, name: str):
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.surface = self.tree.nodes["Principled BSDF"]

    def node(self, kind: str, **properties) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        return node

    def feed(self, socket: Socket, value: Value) -> None:
        """Link or set an input."""
        if isinstance(value, Socket):
            self.tree.links.new(value, socket)
        elif isinstance(value, tuple) and len(value) == 3 and socket.type == "RGBA":
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def set(self, **inputs: Value) -> None:
        """Inputs of the Principled BSDF, e.g. set(Base_Color=..., Roughness=0.4)."""
        for name, value in inputs.items():
            self.feed(self.surface.inputs[name.replace("_", " ")], value)

    def attribute(self, name: str, kind: str = "Fac") -> Socket:
        return self.node("ShaderNodeAttribute", attribute_name=name).outputs[kind]

    def math(self, operation: str, a: Value, b: Value = 0.0, clamp: bool = False) -> Socket:
        node = self.node("ShaderNodeMath", operation=operation, use_clamp=clamp)
        self.feed(node.inputs[0], a)
        self.feed(node.inputs[1], b)
        return node.outputs[0]

    def times(self, a: Value, b: Value) -> Socket:
        return self.math("MULTIPLY", a, b)

    def plus(self, a: Value, b: Value) -> Socket:
        return self.math("ADD", a, b)

    def mix(self, amount: Value, a: Value, b: Value, mode: str = "MIX") -> Socket:
        """Colours a and b mixed by `amount` in [0, 1]."""
        node = self.node("ShaderNodeMix", data_type="RGBA", blend_type=mode)
        self.feed(node.inputs[0], amount)
        self.feed(node.inputs[6], a)
        self.feed(node.inputs[7], b)
        return node.outputs[2]

    def step(self, value: Value, low: float, high: float) -> Socket:
        """0 below `low`, 1 above `high`, smooth between (or reversed where low > high)."""
        node = self.node("ShaderNodeMapRange", interpolation_type="SMOOTHSTEP")
        self.feed(node.inputs[0], value)
        node.inputs[1].default_value, node.inputs[2].default_value = low, high
        return node.outputs[0]

    def noise(self, where: Socket, scale: float, detail: float = 3.0) -> Socket:
        """Fractal noise in [0, 1] at the positions `where`; `scale` in cycles per metre."""
        node = self.node("ShaderNodeTexNoise")
        self.feed(node.inputs["Vector"], where)
        node.inputs["Scale"].default_value = scale
        node.inputs["Detail"].default_value = detail
        return node.outputs[0]

    def bump(self, height: Value, distance: float, strength: float = 1.0) -> None:
        """Bumps of `height` in [0, 1] times `distance` metres on the Principled BSDF."""
        node = self.node("ShaderNodeBump")
        node.inputs["Strength"].default_value = strength
        node.inputs["Distance"].default_value = distance
        self.feed(node.inputs["Height"], height)
        self.feed(self.surface.inputs["Normal"], node.outputs[0])
