// Cameras that look at a head: emotalk/rendering/camera.py, and emotalk/avatar/view.py for one with a video of its own.
// A camera is {rotation [9] world to camera, translation [3], fx, fy, cx, cy, width, height, near}, OpenCV's axes.
import { product, rotated } from "./rotations.js";

const VISIBLE_HEIGHT = 0.46, FOCAL = 2.2, CENTRE = [0, 0.02, 0.03], NEAR = 0.01;
export const PORTRAIT_ZOOM = 1.25;

// The row on which the middle of the view belongs: as much below the picture's middle that it ends where the view does.
export const centreRow = (size, zoom) => Math.max(size / 2, size - (zoom * size) / 2);

// A square picture of `size` pixels; yaw and pitch in radians around the head, from where the avatar is seen by default.
export function cameraOf(pack, size, { yaw = 0, pitch = 0, zoom = PORTRAIT_ZOOM } = {}) {
  return pack.meta.camera ? ownView(pack.meta.camera, size, yaw, pitch, zoom / PORTRAIT_ZOOM) : portraitCamera(size, yaw, pitch, zoom);
}

function portraitCamera(size, yaw, pitch, zoom) {
  const outward = [Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch)];
  const eye = CENTRE.map((x, i) => x + FOCAL * VISIBLE_HEIGHT * outward[i]);
  const right = [Math.cos(yaw), 0, -Math.sin(yaw)], [a, b, c] = outward.map((x) => -x);
  const down = [b * right[2] - c * right[1], c * right[0] - a * right[2], a * right[1] - b * right[0]];
  const rotation = [...right, ...down, a, b, c], focal = FOCAL * size * zoom;
  return {
    rotation, translation: rotated(rotation, eye).map((x) => -x),
    fx: focal, fy: focal, cx: size / 2, cy: centreRow(size, zoom), width: size, height: size, near: NEAR,
  };
}

// numbers: world to camera row by row, then fx, fy, cx, cy in shares of the picture's side.
function ownView(numbers, size, yaw, pitch, zoom) {
  const rows = [0, 1, 2].map((i) => numbers.slice(4 * i, 4 * i + 4)), [fx, fy, cx, cy] = numbers.slice(16).map((x) => x * size);
  let rotation = rows.flatMap((r) => r.slice(0, 3)), translation = rows.map((r) => r[3]);
  if (yaw !== 0 || pitch !== 0) {
    // Walking to the person's left and up is seen as the world turning the other way.
    const cosY = Math.cos(-yaw), sinY = Math.sin(-yaw), cosX = Math.cos(pitch), sinX = Math.sin(pitch);
    const turn = product([1, 0, 0, 0, cosX, -sinX, 0, sinX, cosX], [cosY, 0, sinY, 0, 1, 0, -sinY, 0, cosY]);
    const centre = rotated(turn, CENTRE), moved = rotated(rotation, CENTRE.map((x, i) => x - centre[i]));
    translation = translation.map((x, i) => x + moved[i]);
    rotation = product(rotation, turn);
  }
  const half = size / 2;
  return {
    rotation, translation, fx: fx * zoom, fy: fy * zoom,
    cx: half + zoom * (cx - half), cy: centreRow(size, zoom) + zoom * (cy - half), width: size, height: size, near: NEAR,
  };
}

// Where the camera stands, metres.
export function eyeOf({ rotation: r, translation: t }) {
  return [0, 1, 2].map((i) => -(r[i] * t[0] + r[3 + i] * t[1] + r[6 + i] * t[2]));
}
