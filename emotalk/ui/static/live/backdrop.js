// What stands behind the head (a colour or a square picture), and the "AI generated" mark in front of it.
import { PORTRAIT_ZOOM, centreRow } from "./camera.js";
import { emptyTexture, program, use } from "./gpu.js";
import { PICTURE, WHOLE } from "./shaders.js";

export const MARK_TEXT = "AI generated";
// As emotalk/avatar/view.py goes on where a plate ends: the pixels that are left of its side, and where it fades.
const BLURRED = 12, FADE = 0.1;
export const CORNERS = ["bottom-right", "bottom-left", "top-right", "top-left"];

export class Backdrop {
  constructor(gl, pack) {
    this.gl = gl;
    this.pack = pack;
    this.program = program(gl, WHOLE, PICTURE);
    this.nothing = gl.createVertexArray();
    this.plate = null;
    this.plateSide = BLURRED;
    this.markSide = 0; // of the canvas that the mark was drawn for
    this.showOwn();
  }

  // The avatar's own background.
  showOwn() {
    const { background } = this.pack.meta;
    if (background) {
      this.showColor(background);
      return;
    }
    const rgb = this.pack.numbers("plate"), side = Math.sqrt(rgb.length / 3), pixels = new Uint8Array(4 * side * side).fill(255);
    for (let i = 0; i < side * side; i++) for (let c = 0; c < 3; c++) pixels[4 * i + c] = rgb[3 * i + c];
    this.setPlate(side, side, pixels);
    this.zooms = this.pack.meta.camera !== null; // it was filmed with the head
  }

  showColor(color) {
    this.dropPlate();
    this.color = color;
  }

  dropPlate() {
    if (this.plate) this.gl.deleteTexture(this.plate);
    this.plate = null;
  }

  // A picture that the canvas knows how to take (ImageBitmap, canvas); its middle square is seen.
  showPicture(picture) {
    this.setPlate(picture.width, picture.height, picture);
    this.zooms = false;
  }

  setPlate(width, height, pixels) {
    const { gl } = this, levels = 1 + Math.floor(Math.log2(Math.max(width, height)));
    this.dropPlate();
    this.color = [0, 0, 0];
    this.plate = emptyTexture(gl, gl.RGBA8, width, height, levels);
    if (pixels instanceof Uint8Array) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    else gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.generateMipmap(gl.TEXTURE_2D);
    for (const along of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, along, gl.MIRRORED_REPEAT);
    const side = Math.min(width, height);
    this.plateSide = side;
    this.square = [side / width, side / height];
  }

  draw(size, zoom) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, size, size);
    gl.clearColor(...this.color, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.plate) return;
    const near = this.zooms ? zoom / PORTRAIT_ZOOM : 1, [w, h] = this.square.map((share) => share / near);
    gl.disable(gl.BLEND);
    const part = [0.5 - w / 2, 0.5 - (h * centreRow(size, near)) / size, w, h];
    this.drawPicture(this.plate, part, [0, 0, size, size], near < 1 ? FADE : 0);
  }

  drawPicture(texture, part, area, edge = 0) {
    const { gl, program: used } = this;
    use(gl, used, { picture: texture });
    gl.uniform4f(used.uniforms.part, ...part);
    gl.uniform4f(used.uniforms.area, ...area);
    gl.uniform1f(used.uniforms.edge, edge);
    gl.uniform1f(used.uniforms.blurred, Math.log2(this.plateSide / BLURRED));
    gl.bindVertexArray(this.nothing);
    gl.viewport(...area); // the triangle is cut off at its edges
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.bindVertexArray(null);
  }

  // The visible mark, as emotalk/video/mark.py places it. It is part of the picture: a recording of the canvas has it.
  drawMark(size, corner = CORNERS[0]) {
    const { gl } = this;
    if (this.markSide !== size) this.makeMark(size);
    const { width, height } = this.mark, margin = Math.max(0, Math.min(Math.round(size * 0.025), size - height, size - width));
    const left = corner.endsWith("left") ? margin : size - width - margin;
    const bottom = corner.startsWith("top") ? size - height - margin : margin;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.drawPicture(this.mark.texture, [0, 0, 1, 1], [left, bottom, width, height]);
    gl.disable(gl.BLEND);
    return [left, size - bottom - height, width, height]; // left, top, width, height
  }

  // White words on a dark translucent pill.
  makeMark(size) {
    const { gl } = this, letters = Math.max(9, size * 0.026), label = document.createElement("canvas"), pen = label.getContext("2d");
    const font = `${letters}px system-ui, sans-serif`;
    pen.font = font;
    const words = pen.measureText(MARK_TEXT), width = Math.min(size, Math.round(words.width + 1.5 * letters)), height = Math.round(1.7 * letters);
    label.width = width;
    label.height = height;
    pen.fillStyle = "rgba(18, 18, 24, 0.47)";
    pen.beginPath();
    pen.roundRect(0, 0, width, height, height / 2);
    pen.fill();
    pen.font = font; // a new size has cleared it
    pen.fillStyle = "rgba(255, 255, 255, 0.88)";
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.fillText(MARK_TEXT, width / 2, height / 2);
    if (this.mark) gl.deleteTexture(this.mark.texture);
    const texture = emptyTexture(gl, gl.RGBA8, width, height);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, gl.RGBA, gl.UNSIGNED_BYTE, label);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    this.mark = { texture, width, height };
    this.markSide = size;
  }
}
