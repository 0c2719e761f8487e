// Small helpers around WebGL2: programs, textures that hold numbers, targets.
export const WIDE = 1024; // texels in a row of every data texture; `at` in shaders.js knows it

export function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    const why = gl.getAttachedShaders(made).map((shader) => gl.getShaderInfoLog(shader)).join("\n");
    throw new Error(`This browser cannot draw the face: ${gl.getProgramInfoLog(made)} ${why}`);
  }
  const uniforms = {};
  for (let i = 0; i < (gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS) ?? 0); i++) {
    const name = gl.getActiveUniform(made, i).name;
    uniforms[name.replace("[0]", "")] = gl.getUniformLocation(made, name);
  }
  return { made, uniforms };
}

const LAYOUTS = {
  RGBA32UI: ["RGBA_INTEGER", "UNSIGNED_INT", 4, Uint32Array],
  RG32UI: ["RG_INTEGER", "UNSIGNED_INT", 2, Uint32Array],
  R32UI: ["RED_INTEGER", "UNSIGNED_INT", 1, Uint32Array],
  RGB32F: ["RGB", "FLOAT", 3, Float32Array],
};

// A texture that holds `length` numbers of a kind, row after row. `data` is its copy on this side, to be filled.
export class DataTexture {
  constructor(gl, format, length) {
    const [layout, type, parts, Kind] = LAYOUTS[format];
    this.gl = gl;
    this.layout = gl[layout];
    this.type = gl[type];
    this.rows = Math.max(1, Math.ceil(length / parts / WIDE));
    this.data = new Kind(this.rows * WIDE * parts);
    this.texture = emptyTexture(gl, gl[format], WIDE, this.rows);
  }

  upload() {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, WIDE, this.rows, this.layout, this.type, this.data);
    return this;
  }
}

export function emptyTexture(gl, format, width, height, levels = 1) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, levels, format, width, height);
  const smooth = format === gl.RGBA8;
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, smooth ? (levels > 1 ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR) : gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, smooth ? gl.LINEAR : gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}

export function target(gl, textures) {
  const frame = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  textures.forEach((texture, i) => gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + i, gl.TEXTURE_2D, texture, 0));
  gl.drawBuffers(textures.map((_, i) => gl.COLOR_ATTACHMENT0 + i));
  return frame;
}

// Makes a program current with its textures, {uniform name: texture}.
export function use(gl, { made, uniforms }, textures) {
  gl.useProgram(made);
  Object.entries(textures).forEach(([name, texture], i) => {
    gl.activeTexture(gl.TEXTURE0 + i);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniform1i(uniforms[name], i);
  });
}
