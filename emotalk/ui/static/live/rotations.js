// Rotations as arrays of nine, row by row, and quaternions wxyz: emotalk/head/rotations.py.
export function axisAngleMatrix(x, y, z) {
  const square = x * x + y * y + z * z, small = square < 1e-6, angle = small ? 1 : Math.sqrt(square);
  const a = small ? 1 - square / 6 : Math.sin(angle) / angle, b = small ? 0.5 - square / 24 : (1 - Math.cos(angle)) / square;
  return [
    1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y,
    b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x,
    b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y),
  ];
}

// Turns +z to a gaze: yaw > 0 towards +x, pitch > 0 up.
export function yawPitchMatrix(yaw, pitch) {
  const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch);
  return [cy, -sy * sp, sy * cp, 0, cp, sp, -sy, -cy * sp, cy * cp];
}

export function product(a, b) {
  const out = new Array(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
  }
  return out;
}

export const rotated = (m, [x, y, z]) => [
  m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z,
];
export const transposed = (m) => [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];
export const sum = (a, b) => a.map((x, i) => x + b[i]);
export const difference = (a, b) => a.map((x, i) => x - b[i]);

// The largest of four candidates (Shepperd 1978) avoids dividing by a small number.
export function quaternion(m) {
  const candidates = [
    [1 + m[0] + m[4] + m[8], m[7] - m[5], m[2] - m[6], m[3] - m[1]],
    [m[7] - m[5], 1 + m[0] - m[4] - m[8], m[3] + m[1], m[2] + m[6]],
    [m[2] - m[6], m[3] + m[1], 1 - m[0] + m[4] - m[8], m[7] + m[5]],
    [m[3] - m[1], m[6] + m[2], m[7] + m[5], 1 - m[0] - m[4] + m[8]],
  ];
  let best = 0;
  for (let i = 1; i < 4; i++) if (candidates[i][i] > candidates[best][best]) best = i;
  const length = Math.hypot(...candidates[best]);
  return candidates[best].map((x) => x / length);
}
