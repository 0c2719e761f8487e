"""The photo studio: render settings tuned for two cores, soft lights, cameras in OpenCV's convention."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Matrix

from scripts.preset_scene.sheet import Light

# Blender's camera looks along its -z with y up; OpenCV's along +z with y down.
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


def prepare(size: int, samples: int, threads: int = 1) -> bpy.types.Scene:
    """An empty Cycles scene of size x size pixels on a transparent film.

    Few bounces and samples with the denoiser: measured per frame in checkpoints/avatars/README.md.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = "FAST"
    cycles.use_light_tree = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 2, 2, 1
    cycles.transmission_bounces, cycles.transparent_max_bounces = 2, 4
    cycles.sample_clamp_indirect = 3.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.seed = 0
    scene.cycles_curves.shape = "RIBBONS"
    scene.cycles_curves.subdivisions = 1
    render = scene.render
    render.threads_mode, render.threads = "FIXED", threads
    render.resolution_x = render.resolution_y = size
    render.film_transparent = True
    render.use_persistent_data = True
    render.filter_size = 1.2
    # Linear and premultiplied; film.py develops it.
    render.image_settings.file_format, render.image_settings.color_mode = "OPEN_EXR", "RGBA"
    render.image_settings.color_depth = "32"
    return scene


def _area(scene, at: Sequence[float], target: np.ndarray, watts: float, size: float, color) -> None:
    lamp = bpy.data.lights.new("softbox", "AREA")
    lamp.energy, lamp.size, lamp.color = watts, size, color
    holder = bpy.data.objects.new("softbox", lamp)
    scene.collection.objects.link(holder)
    holder.matrix_world = Matrix(_look_from(target + np.array(at), target) @ _FLIP)


def light(scene: bpy.types.Scene, target: np.ndarray, rig: Light) -> None:
    """Large key from the front left of the picture, broad fill, two rims from behind, a grey ambient.

    The boxes are large and the fill is strong on purpose: shading must hardly change when the head turns
    against the lights, because the fitted Gaussians cannot be re-lit.
    """
    warm = (1.0, 0.96 - 0.06 * rig.warmth, 0.90 - 0.14 * rig.warmth)
    _area(scene, (-0.75, 0.55, 1.05), target, 15.0 * rig.key, 0.9, warm)
    _area(scene, (1.0, 0.15, 1.0), target, 6.0 * rig.fill, 1.2, (0.90, 0.95, 1.0))
    _area(scene, (0.0, -0.75, 0.8), target, 1.6 * rig.fill, 0.8, (1.0, 0.95, 0.9))
    _area(scene, (0.75, 0.65, -0.8), target, 14.0 * rig.rim, 0.5, (1.0, 0.97, 0.93))
    _area(scene, (-0.85, 0.5, -0.7), target, 9.0 * rig.rim, 0.5, (0.92, 0.96, 1.0))
    if rig.catch:
        _area(scene, (-0.22, 0.42, 1.15), target, rig.catch, 0.22, (1.0, 1.0, 1.0))
    world = bpy.data.worlds.new("ambient")
    scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.92, 0.95, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.30 * rig.ambient


def _look_from(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Camera-to-world [4, 4] in OpenCV's convention with the world's y up."""
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = position
    return pose


def orbit(target: np.ndarray, yaw: float, pitch: float, distance: float) -> np.ndarray:
    """World-to-camera [4, 4] of a camera that circles `target`; yaw > 0 moves it to the person's left,
    pitch > 0 above (radians, metres)."""
    away = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    return np.linalg.inv(_look_from(target + distance * away, target))


def camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """The scene's one camera."""
    lens = bpy.data.cameras.new("camera")
    holder = bpy.data.objects.new("camera", lens)
    scene.collection.objects.link(holder)
    scene.camera = holder
    lens.clip_start, lens.clip_end = 0.05, 20.0
    return holder


def aim(holder: bpy.types.Object, world_to_camera: np.ndarray, focal: float, size: int) -> None:
    """Place the camera; `focal` in pixels for a picture of size x size with its centre as principal point."""
    holder.data.sensor_width = 36.0
    holder.data.lens = 36.0 * focal / size
    holder.matrix_world = Matrix(np.linalg.inv(world_to_camera) @ _FLIP)
