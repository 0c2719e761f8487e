// A face on a canvas: give it a pack and frames of motion, and it draws them. It makes no motion of its own.
import { Backdrop, CORNERS } from "./backdrop.js";
import { PORTRAIT_ZOOM, cameraOf } from "./camera.js";
import { Corrections } from "./corrections.js";
import { Head } from "./head.js";
import { Sorting } from "./order.js";
import { readPack } from "./pack.js";
import { Resolution } from "./resolution.js";
import { Splats } from "./splats.js";

// Browsers do not always call software slow when they are asked not to use it; its name tells.
function isSoftware(gl) {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

function contextOf(canvas, software) {
  const gl = canvas.getContext("webgl2", {
    alpha: false, antialias: false, depth: false, powerPreference: "high-performance", failIfMajorPerformanceCaveat: !software,
  });
  return gl && (software || !isSoftware(gl)) ? gl : null;
}

// Whether this browser can draw a face at all.
export function canDraw(software = false) {
  const gl = contextOf(document.createElement("canvas"), software);
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return gl !== null;
}

export class LiveFace {
  // buffer: the bytes of a pack. `software` says whether a browser may draw it without a graphics processor, which takes a
  // second a frame. Throws an Error with a sentence where it cannot be drawn.
  constructor(canvas, buffer, { size = 512, corner = CORNERS[0], software = false } = {}) {
    this.canvas = canvas;
    this.corner = CORNERS.includes(corner) ? corner : CORNERS[0]; // there is no way to leave the mark out
    this.gl = contextOf(canvas, software);
    if (!this.gl) {
      throw new Error("This browser cannot draw a live face: it has no WebGL2 or no graphics processor.");
    }
    this.pack = readPack(buffer);
    this.head = new Head(this.pack);
    this.corrections = new Corrections(this.pack);
    this.view = { yaw: 0, pitch: 0, zoom: PORTRAIT_ZOOM };
    this.resolution = null; // the size stays as it was asked for
    this.background = null; // none but the avatar's own
    this.jumped = true; // the order on the screen belongs to another pose
    this.sorting = new Sorting(this.pack, this.head, (order) => {
      this.order = order;
      if (!this.lost) this.splats.setOrder(order);
    });
    this.resize(size);
    this.prepare();
    this.watchContext();
  }

  // Everything that lives on the graphics processor.
  prepare() {
    this.lost = this.gl.isContextLost();
    if (this.lost) return;
    this.splats = new Splats(this.gl, this.pack, this.head);
    this.backdrop = new Backdrop(this.gl, this.pack);
    if (this.background) this.setBackground(this.background);
    if (this.order) this.splats.setOrder(this.order);
  }

  // A context goes when the graphics processor is reset, or when too many pages want one; all is made anew when it is
  // back, and frames that come meanwhile are not drawn.
  watchContext() {
    this.onLost = (event) => {
      event.preventDefault(); // says that we can go on
      this.lost = true;
    };
    this.onRestored = () => this.prepare();
    this.canvas.addEventListener("webglcontextlost", this.onLost);
    this.canvas.addEventListener("webglcontextrestored", this.onRestored);
  }

  // Sides of the picture in pixels; what the page shows is up to its style.
  resize(size) {
    this.size = size;
    this.canvas.width = this.canvas.height = size;
  }

  // Where the viewer stands: yaw and pitch in radians around the head, zoom > 0.
  look(view) {
    const before = this.view;
    this.view = { ...before, ...view };
    if (Object.keys(view).some((name) => this.view[name] !== before[name])) this.jumped = true;
  }

  // A colour [3] in [0, 1], a picture (ImageBitmap), or null for the avatar's own.
  setBackground(background) {
    this.background = background;
    if (this.lost) return;
    if (background === null) this.backdrop.showOwn();
    else if (Array.isArray(background)) this.backdrop.showColor(background);
    else this.backdrop.showPicture(background);
  }

  // From now on as many pixels as `shown` of the screen are worth drawing, `wanted` milliseconds a frame.
  adapt(shown, wanted = 1000 / 30) {
    if (this.resolution?.wanted === wanted) this.resolution.show(shown);
    else this.resolution = new Resolution(shown, wanted);
    this.resize(this.resolution.side);
  }

  // Draws the frame of motion that begins at row[at] (head.js: ROW). `time` in milliseconds paces the sorting; without
  // one the order is exact. Returns false where nothing could be drawn.
  draw(row, at = 0, time = null) {
    if (this.lost) return false;
    if (time !== null && this.resolution?.frame(time)) this.resize(this.resolution.side);
    const { head, sorting } = this, camera = cameraOf(this.pack, this.size, this.view);
    const latents = this.corrections.of(row, at);
    head.pose(row, at);
    if (this.jumped || time === null) sorting.now(head, latents, camera);
    else sorting.refresh(head, latents, camera, time);
    this.jumped = false;
    this.backdrop.draw(this.size, this.view.zoom);
    this.splats.draw(head, latents, camera);
    this.markArea = this.backdrop.drawMark(this.size, this.corner);
    return true;
  }

  // Nothing is drawn from now on, and nothing of it is held.
  close() {
    this.lost = true;
    this.sorting.close();
    this.canvas.removeEventListener("webglcontextlost", this.onLost);
    this.canvas.removeEventListener("webglcontextrestored", this.onRestored);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
