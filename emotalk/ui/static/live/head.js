// The posed head: 52 shapes, lids kept outside the eyeballs, skinning of six joints. The same arithmetic as
// emotalk/head/model.py, which says why; tests/ui/live holds the two together.
import { axisAngleMatrix, difference, product, rotated, sum, yawPitchMatrix } from "./rotations.js";

// A frame of motion is a row of 65 numbers, in the order of emotalk.core.motion.HeadMotion: expression 52, jaw 3 (axis-
// angle), gaze yaw and pitch, eyelids left and right, head axis-angle 3 and root metres 3.
export const ROW = 65, EXPRESSION = 52, JAW = 52, GAZE = 55, EYELIDS = 57, HEAD_POSE = 59;
const ROOT = 0, NECK = 1, HEAD = 2, JAW_JOINT = 3, EYES = 4; // the joints' order
const SIDES = [["Left", 1], ["Right", -1]];

export class Head {
  constructor(pack) {
    const { meta } = pack;
    this.template = pack.values("template"); // [V, 3] metres
    this.triangles = pack.numbers("triangles"); // [F, 3]
    this.shapeRows = rowsOf(pack.numbers("shape_rows"), meta.shape_sizes);
    this.shapeOffsets = pack.values("shape_offsets");
    this.shapeSizes = meta.shape_sizes;
    this.skinRows = rowsOf(pack.numbers("skin_rows"), meta.skin_sizes);
    this.skinShares = pack.values("skin_shares");
    this.skinSizes = meta.skin_sizes;
    const joints = pack.values("joints");
    this.rest = Array.from({ length: 6 }, (_, j) => Array.from(joints.subarray(3 * j, 3 * j + 3)));
    this.lids = ["l", "r"].map((side) => ({ rows: pack.numbers(`lids_${side}`), distances: pack.values(`lid_distances_${side}`) }));
    this.poles = meta.poles; // one vertex of each eyeball, without a cornea
    this.lookAngles = meta.look_angles;
    this.blinks = SIDES.map(([side]) => pack.expression[`eyeBlink${side}`]);
    this.looks = SIDES.map(([side]) => ["Up", "Down", "In", "Out"].map((way) => pack.expression[`eyeLook${way}${side}`]));
    this.folded = new Float32Array(EXPRESSION);
    this.shaped = new Float32Array(this.template.length); // before skinning
    this.vertices = new Float32Array(this.template.length);
    this.joints = []; // [{rotation [9], translation [3]}] from rest to pose: root, neck, head, jaw, eyes
    this.pose(new Float32Array(ROW));
    this.neutralSizes = triangleSizes(this.vertices, this.triangles);
  }

  // Poses the head as the frame that begins at row[at] says.
  pose(row, at = 0) {
    const eyes = this.fold(row, at);
    this.shape();
    this.guardLids();
    this.turnJoints(row, at, eyes);
    this.skin();
    return this;
  }

  // Gaze and eyelids worked into the coefficients; returns the eyeballs' [yaw, pitch].
  fold(row, at) {
    const { folded } = this, [up, down, inward, outward] = this.lookAngles, yaw = row[at + GAZE], pitch = row[at + GAZE + 1];
    for (let i = 0; i < EXPRESSION; i++) folded[i] = row[at + i];
    const eyes = SIDES.map(([, sign], side) => {
      const [upward, downward, nose, away] = this.looks[side];
      const angles = [
        yaw + sign * (folded[away] * outward - folded[nose] * inward),
        pitch + folded[upward] * up - folded[downward] * down,
      ];
      // The person's left is outwards for the left eye and inwards for the right one.
      folded[upward] += Math.max(pitch, 0) / up;
      folded[downward] += Math.max(-pitch, 0) / down;
      folded[nose] += Math.max(-sign * yaw, 0) / inward;
      folded[away] += Math.max(sign * yaw, 0) / outward;
      return angles;
    });
    this.blinks.forEach((blink, side) => { folded[blink] = Math.min(1, folded[blink] + row[at + EYELIDS + side]); });
    return eyes;
  }

  shape() {
    const { shaped, shapeRows, shapeOffsets, shapeSizes, folded } = this;
    shaped.set(this.template);
    for (let k = 0, i = 0; k < EXPRESSION; k++) {
      const amount = folded[k], end = i + shapeSizes[k];
      if (amount === 0) i = end;
      for (; i < end; i++) {
        const v = 3 * shapeRows[i], o = 3 * i;
        shaped[v] += amount * shapeOffsets[o];
        shaped[v + 1] += amount * shapeOffsets[o + 1];
        shaped[v + 2] += amount * shapeOffsets[o + 2];
      }
    }
  }

  // A straight blend between open and shut would cut through the eyeball.
  guardLids() {
    const { shaped } = this;
    this.lids.forEach(({ rows, distances }, side) => {
      const [cx, cy, cz] = this.rest[EYES + side], pole = 3 * this.poles[side];
      const radius = Math.hypot(shaped[pole] - cx, shaped[pole + 1] - cy, shaped[pole + 2] - cz);
      for (let i = 0; i < rows.length; i++) {
        const v = 3 * rows[i], x = shaped[v] - cx, y = shaped[v + 1] - cy, z = shaped[v + 2] - cz;
        const grow = (distances[i] * radius) / Math.max(Math.sqrt(x * x + y * y + z * z), 1e-6) - 1;
        if (grow > 0) {
          shaped[v] += grow * x;
          shaped[v + 1] += grow * y;
          shaped[v + 2] += grow * z;
        }
      }
    });
  }

  turnJoints(row, at, eyes) {
    const { rest } = this, p = at + HEAD_POSE;
    const half = axisAngleMatrix(0.5 * row[p], 0.5 * row[p + 1], 0.5 * row[p + 2]); // neck and head share the turn
    const shift = [row[p + 3], row[p + 4], row[p + 5]];
    const about = (rotation, pivot) => difference(pivot, rotated(rotation, pivot));
    const joints = [
      { rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], translation: shift },
      { rotation: half, translation: sum(about(half, rest[NECK]), shift) },
    ];
    const hang = (parent, own, pivot) => {
      const { rotation, translation } = joints[parent];
      joints.push({ rotation: product(rotation, own), translation: sum(rotated(rotation, about(own, pivot)), translation) });
    };
    hang(NECK, half, rest[HEAD]);
    hang(HEAD, axisAngleMatrix(row[at + JAW], row[at + JAW + 1], row[at + JAW + 2]), rest[JAW_JOINT]);
    eyes.forEach(([yaw, pitch], side) => hang(HEAD, yawPitchMatrix(yaw, pitch), rest[EYES + side]));
    this.joints = joints;
  }

  // What the head does to all vertices, plus what other joints do differently to theirs.
  skin() {
    const { shaped, vertices, skinRows, skinShares, skinSizes, joints } = this, head = joints[HEAD];
    const [a, b, c, d, e, f, g, h, i] = head.rotation, [tx, ty, tz] = head.translation;
    for (let v = 0; v < vertices.length; v += 3) {
      const x = shaped[v], y = shaped[v + 1], z = shaped[v + 2];
      vertices[v] = a * x + b * y + c * z + tx;
      vertices[v + 1] = d * x + e * y + f * z + ty;
      vertices[v + 2] = g * x + h * y + i * z + tz;
    }
    for (let j = 0, n = 0; j < 6; j++) {
      const end = n + skinSizes[j], m = difference(joints[j].rotation, head.rotation), t = difference(joints[j].translation, head.translation);
      for (; n < end; n++) {
        const v = 3 * skinRows[n], share = skinShares[n], x = shaped[v], y = shaped[v + 1], z = shaped[v + 2];
        vertices[v] += share * (m[0] * x + m[1] * y + m[2] * z + t[0]);
        vertices[v + 1] += share * (m[3] * x + m[4] * y + m[5] * z + t[1]);
        vertices[v + 2] += share * (m[6] * x + m[7] * y + m[8] * z + t[2]);
      }
    }
  }
}

// The rows of several lists that were written as gaps, one list after the other.
function rowsOf(gaps, sizes) {
  const rows = new Uint16Array(gaps.length);
  let i = 0;
  for (const size of sizes) for (let end = i + size, last = 0; i < end; i++) rows[i] = last += gaps[i];
  return rows;
}

// Square roots of twice the triangles' areas [F], metres: emotalk.avatar.binding.triangle_sizes.
export function triangleSizes(vertices, triangles) {
  const sizes = new Float32Array(triangles.length / 3);
  for (let f = 0; f < sizes.length; f++) {
    const a = 3 * triangles[3 * f], b = 3 * triangles[3 * f + 1], c = 3 * triangles[3 * f + 2];
    const ux = vertices[b] - vertices[a], uy = vertices[b + 1] - vertices[a + 1], uz = vertices[b + 2] - vertices[a + 2];
    const wx = vertices[c] - vertices[a], wy = vertices[c + 1] - vertices[a + 1], wz = vertices[c + 2] - vertices[a + 2];
    const x = uy * wz - uz * wy, y = uz * wx - ux * wz, z = ux * wy - uy * wx;
    sizes[f] = Math.sqrt(Math.sqrt(x * x + y * y + z * z + 1e-20));
  }
  return sizes;
}
