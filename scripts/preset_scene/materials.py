"""What things are made of: skin with zones, eyes with a wet coat, teeth, tongue, cloth, hair, spectacles."""

from __future__ import annotations

import bpy

from scripts.preset_scene.shading import Graph
from scripts.preset_scene.sheet import CharacterSheet, Color, Garment, Glasses


def _scaled(color: Color, *factors: float) -> Color:
    factors = factors * 3 if len(factors) == 1 else factors
    return tuple(min(1.0, c * f) for c, f in zip(color, factors, strict=True))


def skin(sheet: CharacterSheet) -> bpy.types.Material:
    """Subsurface skin over the per-vertex zones of zones.py, with mottling, freckles, pores and lips.

    Specular is kept broad: Gaussians hold one colour each, so a highlight that wanders with the view cannot be
    fitted.
    """
    look, g = sheet.skin, Graph("skin")
    where = g.attribute("canonical", "Vector")
    broad, fine = g.noise(where, 30, 4), g.noise(where, 130, 3)
    color = g.mix(g.times(broad, 0.6), look.base, look.mottle)
    color = g.mix(g.times(g.step(fine, 0.45, 0.75), 0.18), color, _scaled(look.base, 1.1, 1.05, 1.0))
    flush = g.times(g.attribute("flush"), g.plus(g.times(broad, 0.7), 0.55))
    color = g.mix(flush, color, look.flush)
    color = g.mix(g.times(g.attribute("shade"), 0.8), color, _scaled(look.mottle, 0.62, 0.52, 0.58))
    if look.freckles:
        dots = g.step(g.noise(where, 420, 1), 0.60, 0.68)
        near = g.math("MULTIPLY", g.plus(g.attribute("flush"), 0.12), look.freckles * 1.6, clamp=True)
        color = g.mix(g.times(dots, near), color, _scaled(look.mottle, 0.6, 0.5, 0.45))
    color = g.mix(g.attribute("stubble"), color, _scaled(look.base, 0.34, 0.36, 0.42))
    color = g.mix(g.times(g.attribute("scalp"), 0.85), color, _scaled(sheet.hair.color, 1.3))
    color = g.mix(g.times(g.attribute("brow"), 0.45), color, _scaled(sheet.brows.color, 1.5))
    lines = g.attribute("lines")
    color = g.mix(g.math("MULTIPLY", lines, -0.55, clamp=True), color, _scaled(look.mottle, 0.6, 0.5, 0.5))
    if look.furrows:
        # Level lines 9 mm apart that waver: finer than the mesh, so from the place on the head.
        level = g.node("ShaderNodeSeparateXYZ")
        g.feed(level.inputs[0], where)
        waver = g.times(g.noise(where, 22, 1), 0.011)
        phase = g.times(g.plus(level.outputs[1], waver), 2 * 3.14159 / 0.009)
        furrows = g.times(g.step(g.math("SINE", phase), 0.72, 1.0), g.attribute("forehead"))
        color = g.mix(g.times(furrows, 0.35), color, _scaled(look.mottle, 0.7, 0.6, 0.58))
    lip = g.attribute("lip")
    creases = g.noise(where, 520, 2)
    lips = g.mix(g.times(creases, 0.45), look.lips, _scaled(look.lips, 0.72, 0.6, 0.62))
    color = g.mix(g.step(lip, 0.15, 0.85), color, lips)
    inner = g.attribute("inner")
    color = g.mix(inner, color, (0.24, 0.045, 0.04))
    rough = g.plus(g.times(fine, 0.16), look.roughness - 0.08)
    rough = g.math("SUBTRACT", rough, g.times(lip, 0.12))
    g.set(Base_Color=color, Roughness=rough, Specular_IOR_Level=0.38, Subsurface_Weight=1.0,
          Subsurface_Radius=(1.0, 0.36, 0.2), Subsurface_Scale=look.scatter,
          # Cheeks seen past the teeth are dark red: without the glow the far corner of a smile is a black hole.
          Emission_Color=(0.24, 0.045, 0.04), Emission_Strength=g.times(inner, 0.2))  # fmt: skip
    g.surface.subsurface_method = "BURLEY"
    pores = g.plus(g.times(g.noise(where, 1100, 1), 0.5), g.times(fine, 0.6))
    pores = g.plus(pores, g.times(g.times(creases, lip), 0.8))
    height = g.plus(pores, g.times(lines, 2.0))
    if look.furrows:
        height = g.plus(height, g.times(furrows, -1.6))
    g.bump(height, 0.0007, 0.45)
    return g.material


def eye(sheet: CharacterSheet) -> bpy.types.Material:
    """Eyeball coloured by `polar`, the angle from the gaze axis in iris radii: pupil, iris with fibres and a
    dark limbal ring, sclera that reddens towards the corners; a clear coat gives the wet highlight."""
    g = Graph("eye")
    polar, around = g.attribute("polar"), g.attribute("around", "Vector")
    stretch = g.node("ShaderNodeVectorMath", operation="MULTIPLY")
    g.feed(stretch.inputs[0], around)
    stretch.inputs[1].default_value = (1.0, 1.0, 0.25)
    fibres = g.noise(stretch.outputs[0], 9, 4)
    iris = g.mix(fibres, _scaled(sheet.iris, 0.5), _scaled(sheet.iris, 1.8))
    iris = g.mix(g.step(polar, 0.66, 0.42), iris, _scaled(sheet.iris, 1.5, 1.1, 0.75))
    iris = g.mix(g.step(polar, 0.80, 0.99), iris, _scaled(sheet.iris, 0.16))
    iris = g.mix(g.step(polar, 0.42, 0.36), iris, (0.002, 0.002, 0.002))
    veins = g.times(g.step(polar, 1.6, 3.2), g.noise(around, 4, 6))
    sclera = g.mix(veins, (0.58, 0.555, 0.54), (0.50, 0.29, 0.25))
    color = g.mix(g.step(polar, 0.97, 1.10), iris, sclera)
    mirror = 1.5 if sheet.light.catch else 1.38
    g.set(Base_Color=color, Roughness=0.35, Coat_Weight=1.0, Coat_Roughness=0.03, Coat_IOR=mirror,
          Specular_IOR_Level=0.3, Emission_Color=color, Emission_Strength=0.05)  # fmt: skip
    return g.material


def plain(name: str, color: Color, roughness: float, coat: float = 0.0, glow: float = 0.0,
          scatter: float = 0.0) -> bpy.types.Material:  # fmt: skip
    """One colour; `glow` adds emission (teeth and tongue sit in a cavity no studio light reaches)."""
    g = Graph(name)
    g.set(Base_Color=color, Roughness=roughness, Coat_Weight=coat, Coat_Roughness=0.1, Emission_Color=color,
          Emission_Strength=glow, Subsurface_Weight=0.5 if scatter else 0.0, Subsurface_Scale=scatter)  # fmt: skip
    g.surface.subsurface_method = "BURLEY"
    return g.material


def cloth(garment: Garment) -> bpy.types.Material:
    """Knit fabric: rough, a soft sheen and a fine bump."""
    g = Graph("cloth")
    where = g.attribute("canonical", "Vector")
    weave, folds = g.noise(where, 1400, 1), g.noise(where, 28, 3)
    color = g.mix(folds, _scaled(garment.color, 0.82), _scaled(garment.color, 1.12))
    if garment.trim:
        color = g.mix(g.step(g.attribute("edge"), 0.45, 0.55), color, garment.trim)
    g.set(Base_Color=color, Roughness=0.9, Sheen_Weight=0.25, Sheen_Roughness=0.5, Specular_IOR_Level=0.15)
    g.bump(g.plus(g.times(weave, 0.25), folds), 0.0022, 0.5)
    return g.material


def hair(name: str, roughness: float = 0.38) -> bpy.types.Material:
    """Fibre shading after Chiang et al. (2016) with the strand colours of the groom (attribute `tint`)."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.remove(tree.nodes["Principled BSDF"])
    fibre = tree.nodes.new("ShaderNodeBsdfHairPrincipled")
    fibre.parametrization = "COLOR"
    fibre.inputs["Roughness"].default_value = roughness
    fibre.inputs["Radial Roughness"].default_value = 0.5
    fibre.inputs["IOR"].default_value = 1.45
    tint = tree.nodes.new("ShaderNodeAttribute")
    tint.attribute_name = "tint"
    tree.links.new(tint.outputs["Color"], fibre.inputs["Color"])
    tree.links.new(fibre.outputs[0], tree.nodes["Material Output"].inputs[0])
    return material


def frame(glasses: Glasses) -> bpy.types.Material:
    """Acetate or metal of a spectacle frame."""
    g = Graph("frame")
    g.set(Base_Color=glasses.color, Roughness=0.35, Metallic=glasses.metallic, Coat_Weight=0.4)
    return g.material
