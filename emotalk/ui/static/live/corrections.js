// What changes Gaussians beside the mesh: the latents of a frame and where the viewer stands. emotalk/avatar/gaussians.py.
import { rotated, transposed } from "./rotations.js";

const SIGNAL = 62; // numbers of a motion row that count: all but the root's place

export class Corrections {
  constructor(pack) {
    this.mean = pack.values("latent_mean"); // [62], or [71] where shoulders bend in a video: not in a talk
    this.matrix = pack.values("latent_matrix"); // [K, S]
    this.limit = pack.meta.latent_limit;
    this.latents = new Float32Array(pack.meta.latents);
  }

  // The latents [K] of the frame that begins at row[at].
  of(row, at = 0) {
    const { mean, matrix, latents, limit } = this, width = mean.length;
    for (let k = 0, m = 0; k < latents.length; k++) {
      let z = 0;
      for (let s = 0; s < width; s++, m++) z += matrix[m] * ((s < SIGNAL ? row[at + s] : 0) - mean[s]);
      latents[k] = Math.max(-limit, Math.min(limit, z));
    }
    return latents;
  }
}

// x and y of the unit direction from the head to the camera, in the head's own axes.
export function viewDirection(head, eye) {
  const toward = eye.map((x, i) => x - head.translation[i]), far = Math.hypot(...toward);
  return rotated(transposed(head.rotation), toward.map((x) => x / far)).slice(0, 2);
}
