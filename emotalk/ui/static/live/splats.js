// Draws the Gaussians of a posed head with WebGL2.
//
//   posed vertices ─┐
//   Gaussians ──────┴─► PROJECT, a fragment each ─► place, shape, colour ─► FOOTPRINT, a quad each, in depth order ─► picture
import { bit } from "./pack.js";
import { eyeOf } from "./camera.js";
import { viewDirection } from "./corrections.js";
import { DataTexture, WIDE, emptyTexture, program, target, use } from "./gpu.js";
import { quaternion, transposed } from "./rotations.js";
import { BLEND, FOOTPRINT, PROJECT, WHOLE } from "./shaders.js";

const MARGIN = 0.15; // of the picture, where the derivative is still followed outside it (rendering/projection.py)
const MOST_LATENTS = 64;

export class Splats {
  constructor(gl, pack, head) {
    this.gl = gl;
    this.pack = pack;
    this.count = pack.meta.count;
    this.project = program(gl, WHOLE, PROJECT);
    this.blend = program(gl, FOOTPRINT, BLEND);
    this.fillTextures(head);
    this.results = [0, 1].map(() => emptyTexture(gl, gl.RGBA32UI, WIDE, this.order.rows));
    this.projected = target(gl, this.results);
    this.whole = gl.createVertexArray();
    this.quads = this.makeQuads();
    this.setConstants();
  }

  // All that stays as it is from frame to frame goes over once.
  fillTextures(head) {
    const { gl, pack, count } = this, { mesh_count: mesh, latents } = pack.meta;
    const triangle = pack.numbers("triangle"), anchor = pack.numbers("anchor");
    const meshPosition = pack.values("mesh_position"), jointPosition = pack.values("joint_position");
    const rotation = pack.numbers("rotation"), opacity = pack.numbers("opacity"), scale = pack.numbers("log_scale");
    const color = pack.numbers("color"), shade = pack.numbers("view_color");
    const sided = pack.numbers("sided"), corrected = pack.numbers("corrected");
    const three = (numbers, at) => numbers[at] | (numbers[at + 1] << 8) | (numbers[at + 2] << 16);

    const gaussians = new DataTexture(gl, "RGBA32UI", 8 * count), places = new Float32Array(gaussians.data.buffer);
    const shades = new DataTexture(gl, "RG32UI", 2 * count);
    for (let n = 0, row = 0; n < count; n++) {
      const onMesh = n < mesh, position = onMesh ? meshPosition : jointPosition, from = 3 * (onMesh ? n : n - mesh), g = 8 * n;
      gaussians.data[g] = (onMesh ? triangle[n] : 0) | (anchor[2 * n] << 16) | (anchor[2 * n + 1] << 24);
      for (let i = 0; i < 3; i++) places[g + 1 + i] = position[from + i];
      gaussians.data[g + 4] = three(rotation, 3 * n) | (opacity[n] << 24);
      gaussians.data[g + 5] = three(scale, 3 * n) | (bit(sided, n) << 24);
      gaussians.data[g + 6] = three(color, 3 * n);
      gaussians.data[g + 7] = bit(corrected, n) ? row++ : 0xffffffff;
      shades.data[2 * n] = three(shade, 6 * n) | (shade[6 * n + 3] << 24);
      shades.data[2 * n + 1] = shade[6 * n + 4] | (shade[6 * n + 5] << 8);
    }

    const faces = head.triangles.length / 3, triangles = new DataTexture(gl, "RGBA32UI", 4 * faces);
    const sizes = new Float32Array(triangles.data.buffer);
    for (let f = 0; f < faces; f++) {
      for (let i = 0; i < 3; i++) triangles.data[4 * f + i] = head.triangles[3 * f + i];
      sizes[4 * f + 3] = head.neutralSizes[f];
    }

    this.latentTexels = Math.ceil(latents / 2);
    const rows = pack.meta.corrected, corrections = new DataTexture(gl, "RGBA32UI", 4 * this.latentTexels * rows);
    const move = pack.numbers("correction_position"), paint = pack.numbers("correction_color");
    for (let c = 0; c < rows; c++) {
      for (let k = 0; k < latents; k++) {
        const to = 4 * (c * this.latentTexels + (k >> 1)) + 2 * (k & 1), from = 3 * (c * latents + k);
        corrections.data[to] = three(move, from);
        corrections.data[to + 1] = three(paint, from);
      }
    }

    this.constant = {};
    for (const [name, texture] of Object.entries({ gaussians, shades, triangles, corrections })) {
      this.constant[name] = texture.upload().texture;
      texture.data = null; // only the graphics processor needs it now
    }
    this.vertices = new DataTexture(gl, "RGB32F", head.vertices.length);
    this.order = new DataTexture(gl, "R32UI", count);
  }

  makeQuads() {
    const { gl, count } = this, quads = gl.createVertexArray(), corners = new Uint32Array(6 * count);
    for (let n = 0; n < count; n++) corners.set([4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 2, 4 * n + 1, 4 * n + 3], 6 * n);
    gl.bindVertexArray(quads);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return quads;
  }

  setConstants() {
    const { gl, pack, project: { made, uniforms } } = this, { meta } = pack;
    if (meta.latents > MOST_LATENTS) throw new Error("This face has more corrections than the page can draw.");
    gl.useProgram(made);
    gl.uniform1i(uniforms.count, meta.count);
    gl.uniform1i(uniforms.mesh_count, meta.mesh_count);
    gl.uniform1i(uniforms.latent_texels, this.latentTexels);
    for (const [name, array] of [["rotation", "rotation"], ["scale", "log_scale"], ["color", "color"]]) {
      gl.uniform3fv(uniforms[`${name}_step`], pack.steps(array));
      gl.uniform3fv(uniforms[`${name}_low`], pack.lows(array));
    }
  }

  // The order in which to draw: Gaussians' numbers, the farthest first.
  setOrder(order) {
    this.order.data.set(order);
    this.order.upload();
  }

  // Draws over what is there. head: posed; latents: of its frame; frame: null for the canvas.
  draw(head, latents, camera, frame = null) {
    this.projectAll(head, latents, camera);
    const { gl, blend, count } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.viewport(0, 0, camera.width, camera.height);
    use(gl, blend, { place: this.results[0], shape: this.results[1], order: this.order.texture });
    gl.uniform2f(blend.uniforms.size, camera.width, camera.height);
    gl.bindVertexArray(this.quads);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawElements(gl.TRIANGLES, 6 * count, gl.UNSIGNED_INT, 0);
    gl.disable(gl.BLEND);
    gl.bindVertexArray(null);
  }

  projectAll(head, latents, camera) {
    const { gl, project, project: { uniforms: u } } = this;
    this.vertices.data.set(head.vertices);
    this.vertices.upload();
    use(gl, project, { vertices: this.vertices.texture, ...this.constant });
    this.setLatents(latents);

    const joints = head.joints.slice(0, 3), turns = joints.map(({ rotation }) => quaternion(rotation));
    // q and -q are one rotation: all come to the head's side before they are averaged.
    const sides = turns.map((q) => (q.reduce((s, x, i) => s + x * turns[2][i], 0) < 0 ? -1 : 1));
    gl.uniformMatrix3fv(u.rotations, false, joints.flatMap(({ rotation }) => transposed(rotation))); // column by column
    gl.uniform3fv(u.translations, joints.flatMap(({ translation }) => translation));
    gl.uniform4fv(u.turns, turns.flatMap((q, j) => q.map((x) => sides[j] * x)));

    const { fx, fy, cx, cy, width, height } = camera, eye = eyeOf(camera);
    const outX = (MARGIN * width) / fx, outY = (MARGIN * height) / fy;
    gl.uniformMatrix3fv(u.view, false, transposed(camera.rotation));
    gl.uniform3fv(u.shift, camera.translation);
    gl.uniform3fv(u.eye, eye);
    gl.uniform4f(u.lens, fx, fy, cx, cy);
    gl.uniform4f(u.limits, -cx / fx - outX, -cy / fy - outY, (width - cx) / fx + outX, (height - cy) / fy + outY);
    gl.uniform1f(u.near, camera.near);
    const [x, y] = viewDirection(joints[2], eye), steps = this.pack.steps("view_color");
    gl.uniform3fv(u.view_color_x, steps.slice(0, 3).map((step) => x * step));
    gl.uniform3fv(u.view_color_y, steps.slice(3).map((step) => y * step));

    gl.bindFramebuffer(gl.FRAMEBUFFER, this.projected);
    gl.viewport(0, 0, WIDE, this.order.rows);
    gl.disable(gl.BLEND);
    gl.bindVertexArray(this.whole);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // A face at rest uses few latents: only those go over.
  setLatents(latents) {
    const { gl, pack, project: { uniforms } } = this, moves = [], paints = [];
    const move = pack.steps("correction_position"), paint = pack.steps("correction_color");
    latents.forEach((z, k) => {
      if (z === 0) return;
      for (let i = 0; i < 3; i++) {
        moves.push(z * move[3 * k + i]);
        paints.push(z * paint[3 * k + i]);
      }
      moves.push(k);
      paints.push(0);
    });
    gl.uniform1i(uniforms.active_count, moves.length / 4);
    if (moves.length) {
      gl.uniform4fv(uniforms.moves, moves);
      gl.uniform4fv(uniforms.paints, paints);
    }
  }
}
