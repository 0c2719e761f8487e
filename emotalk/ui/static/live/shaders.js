// The programs that the graphics processor runs; splats.js says what they are given.
//
// PROJECT does for every Gaussian what emotalk/avatar/posing.py and emotalk/rendering/projection.py do, FOOTPRINT and
// BLEND do for every pixel what emotalk/rendering/footprint.py and forward.py do.
const START = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D; precision highp usampler2D;
ivec2 at(int i) { return ivec2(i & 1023, i >> 10); } // where number i lies in a data texture
`;

// One triangle that covers the target.
export const WHOLE = `#version 300 es
void main() { gl_Position = vec4(vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0); }`;

// One fragment for every Gaussian: its place and shape on the screen, its colour. Results are bits of floats in whole-
// number targets, which every WebGL2 can draw into without an extension.
export const PROJECT = START + `
uniform sampler2D vertices; uniform usampler2D triangles, gaussians, shades, corrections;
uniform int count, mesh_count, latent_texels, active_count;
uniform vec4 moves[64], paints[64];   // of the active latents: latent times step by axis; moves.w is its number
uniform mat3 rotations[3]; uniform vec3 translations[3]; uniform vec4 turns[3];   // joints root, neck, head
uniform mat3 view; uniform vec3 shift, eye; uniform vec4 lens, limits;   // fx fy cx cy; least x/z, y/z, largest x/z, y/z
uniform float near;
uniform vec3 rotation_step, rotation_low, scale_step, scale_low, color_step, color_low;
uniform vec3 view_color_x, view_color_y;   // the viewer's direction times step
layout(location = 0) out uvec4 place; layout(location = 1) out uvec4 shape;

vec3 bytes(uint word) { return vec3(word & 255u, (word >> 8) & 255u, (word >> 16) & 255u); }
mat3 matrix(vec4 q) {   // of a unit quaternion, w first
  float w = q.x, x = q.y, y = q.z, z = q.w;
  return mat3(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
    2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
    2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
}

void main() {
  int n = int(gl_FragCoord.y) * 1024 + int(gl_FragCoord.x);
  place = shape = uvec4(0u);
  if (n >= count) return;
  uvec4 a = texelFetch(gaussians, at(2 * n), 0), b = texelFetch(gaussians, at(2 * n + 1), 0);
  vec2 anchor = vec2((a.x >> 16) & 255u, a.x >> 24) / 255.0;
  vec3 position = uintBitsToFloat(a.yzw), axis = rotation_low + rotation_step * bytes(b.x);
  vec4 own = vec4(sqrt(max(0.0, 1.0 - dot(axis, axis))), axis);
  float opacity = float(b.x >> 24) / 255.0;
  vec3 scale = exp(scale_low + scale_step * bytes(b.y)), color = color_low + color_step * bytes(b.z);
  bool sided = (b.y >> 24) != 0u;
  uvec2 shade = texelFetch(shades, at(n), 0).xy;
  color += view_color_x * (bytes(shade.x) - 128.0)
    + view_color_y * (vec3(shade.x >> 24, shade.y & 255u, (shade.y >> 8) & 255u) - 128.0);
  if (b.w != 0xffffffffu) {
    int row = int(b.w) * latent_texels;
    for (int k = 0; k < active_count; k++) {   // a texel holds two latents
      int latent = int(moves[k].w);
      uvec4 pair = texelFetch(corrections, at(row + (latent >> 1)), 0);
      uvec2 mine = (latent & 1) == 0 ? pair.xy : pair.zw;
      position += moves[k].xyz * (bytes(mine.x) - 128.0);
      color += paints[k].xyz * (bytes(mine.y) - 128.0);
    }
  }

  vec3 mean; mat3 rotation;
  if (n < mesh_count) {
    uvec4 t = texelFetch(triangles, at(int(a.x & 0xffffu)), 0);
    vec3 i = texelFetch(vertices, at(int(t.x)), 0).xyz, j = texelFetch(vertices, at(int(t.y)), 0).xyz;
    vec3 k = texelFetch(vertices, at(int(t.z)), 0).xyz;
    vec3 edge = j - i, across = cross(edge, k - i);
    float area = sqrt(dot(across, across) + 1e-20);
    vec3 normal = across / area;
    edge /= sqrt(dot(edge, edge) + 1e-20);
    mat3 frame = mat3(edge, cross(normal, edge), normal);
    float stretch = clamp(sqrt(area) / uintBitsToFloat(t.w), 0.6, 2.5);   // STRETCH_LIMITS
    mean = anchor.x * i + anchor.y * j + (1.0 - anchor.x - anchor.y) * k + frame * (stretch * position);
    rotation = frame * matrix(own);
    scale *= stretch;
    vec3 toward = eye - mean;
    if (sided && dot(normal, toward) <= -0.2 * length(toward)) return;   // BACK_FACING
  } else {
    vec3 w = vec3(anchor, 1.0 - anchor.x - anchor.y);
    mean = w.x * (rotations[0] * position + translations[0]) + w.y * (rotations[1] * position + translations[1])
      + w.z * (rotations[2] * position + translations[2]);
    rotation = matrix(normalize(w.x * turns[0] + w.y * turns[1] + w.z * turns[2])) * matrix(own);
  }

  vec3 p = view * mean + shift;
  if (p.z <= near || opacity <= 1.0 / 255.0) return;
  float inverse = 1.0 / p.z;
  vec2 ratio = clamp(p.xy * inverse, limits.xy, limits.zw);
  mat3 rows = transpose(view);   // its columns are the rows of the view
  vec3 x = lens.x * inverse * (rows[0] - ratio.x * rows[2]), y = lens.y * inverse * (rows[1] - ratio.y * rows[2]);
  vec3 b0 = (x * rotation) * scale, b1 = (y * rotation) * scale, normal = cross(b0, b1);
  // S = B B' + 0.3 I; its determinant by Lagrange's identity, a sum of squares.
  float xx = dot(b0, b0), xy = dot(b0, b1), yy = dot(b1, b1);
  float determinant = dot(normal, normal) + 0.3 * (xx + yy) + 0.09;
  xx += 0.3;
  float root = sqrt(xx);
  place = uvec4(floatBitsToUint(lens.xy * p.xy * inverse + lens.zw), packHalf2x16(color.rg), packHalf2x16(vec2(color.b, opacity)));
  // S = L L' with L = ((root, 0), (xy / root, sqrt(det / xx))): then s is half the squared length of inv(L) d.
  shape = uvec4(floatBitsToUint(vec3(root, xy / root, sqrt(determinant / xx))), 0u);
}`;

// Four vertices a Gaussian, from the farthest to the nearest: the parallelogram around the ellipse alpha = 1/255.
export const FOOTPRINT = START + `
uniform usampler2D place, shape, order; uniform vec2 size;
out vec2 offset; flat out vec4 paint;
void main() {
  ivec2 from = at(int(texelFetch(order, at(gl_VertexID >> 2), 0).x));
  uvec4 p = texelFetch(place, from, 0);
  paint = vec4(unpackHalf2x16(p.z), unpackHalf2x16(p.w));
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);   // outside: nothing is drawn
  if (paint.w <= 0.0) return;
  vec3 l = uintBitsToFloat(texelFetch(shape, from, 0).xyz);
  float reach = sqrt(2.0 * log(255.0 * paint.w));
  offset = (vec2(gl_VertexID & 1, (gl_VertexID >> 1) & 1) * 2.0 - 1.0) * reach;
  vec2 pixel = uintBitsToFloat(p.xy) + vec2(l.x * offset.x, l.y * offset.x + l.z * offset.y);
  gl_Position = vec4(pixel / size * 2.0 - 1.0, 0.0, 1.0);
  gl_Position.y = -gl_Position.y;   // pictures begin at the top
}`;

export const BLEND = START + `
in vec2 offset; flat in vec4 paint; out vec4 color;
void main() {
  float alpha = min(0.999, paint.w * exp(-0.5 * dot(offset, offset)));
  if (alpha < 1.0 / 255.0) discard;
  color = vec4(paint.rgb * alpha, alpha);
}`;

// A picture as large as the target. part: left, top, width and height of what is seen of it, in shares.
export const PICTURE = START + `
uniform sampler2D picture; uniform vec4 part, area; out vec4 color;   // area: left, bottom, width, height in pixels
uniform float edge, blurred;   // where edge > 0, a picture that ends goes on as its mirror image without detail
void main() {
  vec2 p = (gl_FragCoord.xy - area.xy) / area.zw, at = part.xy + vec2(p.x, 1.0 - p.y) * part.zw;
  color = texture(picture, at);
  if (edge > 0.0) {
    vec2 near = smoothstep(0.0, 1.0, vec2(min(at.x, 1.0 - at.x), at.y) / edge);   // its lower end is never seen
    color = mix(textureLod(picture, at, blurred), color, near.x * near.y);
  }
}`;
