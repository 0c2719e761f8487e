"""One character in Blender: builds every object once, then poses and photographs it frame by frame."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from scripts.preset_scene import film, materials, studio
from scripts.preset_scene.character import Character
from scripts.preset_scene.strands import Strands, ride
from scripts.preset_scene.subject import Pose


def _mesh(scene, name: str, vertices: np.ndarray, triangles: np.ndarray, material, subdivide: int = 0):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], triangles.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(triangles), bool))
    mesh.materials.append(material)
    holder = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(holder)
    if subdivide:
        modifier = holder.modifiers.new("subdivide", "SUBSURF")
        modifier.levels = modifier.render_levels = subdivide
    return holder


def _attribute(holder, name: str, values: np.ndarray) -> None:
    """Per-vertex values [V] or [V, 3] as a mesh attribute the materials read."""
    vector = values.ndim == 2
    layer = holder.data.attributes.new(name, "FLOAT_VECTOR" if vector else "FLOAT", "POINT")
    layer.data.foreach_set("vector" if vector else "value", np.ascontiguousarray(values, np.float32).ravel())


def _curves(scene, name: str, strands: Strands, material):
    count, steps = strands.points.shape[:2]
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([steps] * count)
    curves.points.foreach_set("position", strands.points.astype(np.float32).ravel())
    radius = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    radius.data.foreach_set("value", strands.radius.astype(np.float32).ravel())
    tint = curves.attributes.new("tint", "FLOAT_VECTOR", "CURVE")
    tint.data.foreach_set("vector", strands.color[:, steps // 2].astype(np.float32).ravel())
    curves.materials.append(material)
    holder = bpy.data.objects.new(name, curves)
    scene.collection.objects.link(holder)
    return holder


class Scene:
    """The studio with one character in it.

    `photograph(pose, world_to_camera, focal, path)` writes one RGBA picture (straight alpha, 8 bit).
    """

    def __init__(self, character: Character, size: int = 384, samples: int = 8, threads: int = 1):
        self.character, self.size = character, size
        self.scene = studio.prepare(size, samples, threads)
        self._camera = studio.camera(self.scene)
        subject, sheet = character.subject, character.sheet
        studio.light(self.scene, character.focus, sheet.light)
        self._moving: list[tuple] = []
        for part in character.parts:
            used, local = np.unique(part.triangles, return_inverse=True)
            material = self._material(part.name)
            holder = _mesh(self.scene, part.name, subject.rest[used], local.reshape(-1, 3), material, part.subdivide)
            _attribute(holder, "canonical", subject.canonical[used])
            for name, values in part.attributes.items():
                _attribute(holder, name, values[used])
            self._moving.append((holder, used))
        cloth = character.cloth
        self._cloth = _mesh(self.scene, "cloth", cloth.vertices(subject.rest), cloth.triangles,
                            materials.cloth(sheet.garment), 1)  # fmt: skip
        _attribute(self._cloth, "canonical", cloth.operator @ subject.canonical)
        _attribute(self._cloth, "edge", cloth.edge)
        thicken = self._cloth.modifiers.new("thickness", "SOLIDIFY")
        thicken.thickness, thicken.offset = 0.0035, 1.0
        rough = {"hair": sheet.hair.roughness}
        self._strands = {
            name: (_curves(self.scene, name, strands, materials.hair(name, rough.get(name, 0.38))), strands)
            for name, strands in character.strands.items()
        }
        self._spectacles = None
        if character.spectacles is not None:
            vertices, triangles = character.spectacles
            self._spectacles = _mesh(self.scene, "glasses", vertices, triangles, materials.frame(sheet.glasses))

    def _material(self, part: str):
        sheet = self.character.sheet
        if part == "skin":
            return materials.skin(sheet)
        if part == "eyes":
            return materials.eye(sheet)
        if part == "teeth":
            return materials.plain("teeth", (0.78, 0.71, 0.60), 0.22, coat=0.3, glow=0.28, scatter=0.002)
        if part == "gums":
            return materials.plain("gums", (0.42, 0.12, 0.11), 0.3, coat=0.3, glow=0.22, scatter=0.002)
        return materials.plain(part, (0.44, 0.14, 0.13), 0.35, coat=0.25, glow=0.08, scatter=0.002)

    def pose(self, pose: Pose) -> None:
        """Move every object to `pose`."""
        subject = self.character.subject
        posed = subject.pose(pose)
        for holder, used in self._moving:
            _move(holder.data, posed.vertices[used])
        _move(self._cloth.data, self.character.cloth.vertices(posed.vertices))
        for holder, strands in self._strands.values():
            if strands.roots is None:
                holder.matrix_world = Matrix(posed.joints[strands.joint])
            else:
                moved = ride(subject.rest, posed.vertices, subject.triangles, strands)
                holder.data.points.foreach_set("position", moved.astype(np.float32).ravel())
                holder.data.update_tag()
        if self._spectacles:
            self._spectacles.matrix_world = Matrix(posed.joints["head"])
        bpy.context.view_layer.update()

    def photograph(self, pose: Pose, world_to_camera: np.ndarray, focal: float, path: Path) -> None:
        """Render one picture to `path`, complete or not at all."""
        self.pose(pose)
        studio.aim(self._camera, world_to_camera, focal, self.size)
        self.scene.render.filepath = str(path.with_suffix(".exr"))
        bpy.ops.render.render(write_still=True)
        raw = bpy.data.images.load(self.scene.render.filepath)
        pixels = np.empty(self.size * self.size * 4, np.float32)
        raw.pixels.foreach_get(pixels)
        bpy.data.images.remove(raw)
        path.with_suffix(".exr").unlink()
        # Blender counts rows from the bottom.
        film.write(film.develop(pixels.reshape(self.size, self.size, 4)[::-1]), path)


def _move(mesh, vertices: np.ndarray) -> None:
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.update()
