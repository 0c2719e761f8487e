// Which Gaussian lies behind which: depths along the camera's axis and a counting sort, in a worker beside the page.
//
// An order that is three frames old costs 1.2 dB on average (benchmarks/results/live.md): neighbours hardly overtake each
// other in a talk. So it is renewed about eight times a second and never waited for, but after a jump of pose or camera.
import { bit } from "./pack.js";

// Everything that a worker needs and nothing else: the class goes there as its own text.
export class DepthOrder {
  // numbers: {triangles, sizes, triangle, anchor, position, mesh_count, corrected, moves, steps}
  constructor(numbers) {
    Object.assign(this, numbers);
    const count = this.position.length / 3;
    this.depth = new Float32Array(count);
    this.keys = new Uint16Array(count);
    this.order = new Uint32Array(count);
    this.starts = new Uint32Array(65537);
    this.moved = new Float32Array(this.position.length);
    this.axes = new Float32Array(this.triangles.length); // the camera's axis in each triangle's frame
  }

  // A pose is {vertices [V, 3], joints (root, neck, head), latents [K], axis (the camera's third row, and its
  // translation's z)}. Returns the Gaussians' numbers, the farthest first.
  sorted({ vertices, joints, latents, axis }) {
    this.correct(latents);
    this.depths(vertices, joints, axis);
    return this.sort();
  }

  // Lids and lips lie close on each other: left out here, corrections cost 3 dB where eyes are wide.
  correct(latents) {
    const { position, moved, corrected, moves, steps } = this, width = 3 * latents.length, active = [];
    moved.set(position);
    latents.forEach((z, k) => { if (z !== 0) active.push(3 * k, z * steps[3 * k], z * steps[3 * k + 1], z * steps[3 * k + 2]); });
    for (let c = 0; c < corrected.length; c++) {
      let x = 0, y = 0, z = 0;
      for (let i = 0; i < active.length; i += 4) {
        const m = width * c + active[i];
        x += active[i + 1] * (moves[m] - 128);
        y += active[i + 2] * (moves[m + 1] - 128);
        z += active[i + 3] * (moves[m + 2] - 128);
      }
      const n = 3 * corrected[c];
      moved[n] += x;
      moved[n + 1] += y;
      moved[n + 2] += z;
    }
  }

  depths(v, joints, [a, b, c, d]) {
    const { triangles, sizes, triangle, anchor, moved: position, depth, axes, mesh_count: mesh } = this;
    for (let f = 0; f < triangles.length; f += 3) {
      const i = 3 * triangles[f], j = 3 * triangles[f + 1], k = 3 * triangles[f + 2];
      let ux = v[j] - v[i], uy = v[j + 1] - v[i + 1], uz = v[j + 2] - v[i + 2];
      const wx = v[k] - v[i], wy = v[k + 1] - v[i + 1], wz = v[k + 2] - v[i + 2];
      let nx = uy * wz - uz * wy, ny = uz * wx - ux * wz, nz = ux * wy - uy * wx;
      const area = Math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20), edge = Math.sqrt(ux * ux + uy * uy + uz * uz + 1e-20);
      const stretch = Math.min(2.5, Math.max(0.6, Math.sqrt(area) / sizes[f / 3]));
      nx /= area; ny /= area; nz /= area; ux /= edge; uy /= edge; uz /= edge;
      axes[f] = stretch * (a * ux + b * uy + c * uz);
      axes[f + 1] = stretch * (a * (ny * uz - nz * uy) + b * (nz * ux - nx * uz) + c * (nx * uy - ny * ux));
      axes[f + 2] = stretch * (a * nx + b * ny + c * nz);
    }
    const height = (i) => a * v[3 * i] + b * v[3 * i + 1] + c * v[3 * i + 2];
    for (let n = 0; n < mesh; n++) {
      const f = 3 * triangle[n], first = anchor[2 * n] / 255, second = anchor[2 * n + 1] / 255;
      depth[n] = d + first * height(triangles[f]) + second * height(triangles[f + 1]) + (1 - first - second) * height(triangles[f + 2])
        + axes[f] * position[3 * n] + axes[f + 1] * position[3 * n + 1] + axes[f + 2] * position[3 * n + 2];
    }
    const along = joints.map(({ rotation: r, translation: t }) => [
      a * r[0] + b * r[3] + c * r[6], a * r[1] + b * r[4] + c * r[7], a * r[2] + b * r[5] + c * r[8],
      a * t[0] + b * t[1] + c * t[2],
    ]);
    const [r, m, h] = along;
    for (let n = mesh; n < depth.length; n++) {
      const root = anchor[2 * n] / 255, neck = anchor[2 * n + 1] / 255, head = 1 - root - neck;
      const x = position[3 * n], y = position[3 * n + 1], z = position[3 * n + 2];
      depth[n] = d + (root * r[0] + neck * m[0] + head * h[0]) * x + (root * r[1] + neck * m[1] + head * h[1]) * y
        + (root * r[2] + neck * m[2] + head * h[2]) * z + root * r[3] + neck * m[3] + head * h[3];
    }
  }

  sort() {
    const { depth, keys, order, starts } = this, count = depth.length;
    let near = Infinity, far = -Infinity;
    for (let n = 0; n < count; n++) {
      if (depth[n] < near) near = depth[n];
      if (depth[n] > far) far = depth[n];
    }
    const scale = 65535 / Math.max(far - near, 1e-9); // a head's depth in steps of ten micrometres
    starts.fill(0);
    for (let n = 0; n < count; n++) {
      keys[n] = (far - depth[n]) * scale; // cut to whole numbers
      starts[keys[n] + 1]++;
    }
    for (let k = 0; k < 65536; k++) starts[k + 1] += starts[k];
    for (let n = 0; n < count; n++) order[starts[keys[n]]++] = n;
    return order;
  }
}

// Runs in the worker: the numbers once, then poses in and orders out.
function serveOrders(Sorter) {
  let sorter = null;
  onmessage = ({ data }) => {
    if (data.numbers) {
      sorter = new Sorter(data.numbers);
      return;
    }
    const order = sorter.sorted(data).slice();
    postMessage({ order, vertices: data.vertices, id: data.id }, [order.buffer, data.vertices.buffer]);
  };
}

const depthAxis = ({ rotation, translation }) => [rotation[6], rotation[7], rotation[8], translation[2]];
const poseOf = (head, latents, camera) => ({ vertices: head.vertices, joints: head.joints.slice(0, 3), latents, axis: depthAxis(camera) });

// Keeps the order of a head's Gaussians. `onOrder` gets every new one.
export class Sorting {
  constructor(pack, head, onOrder) {
    this.onOrder = onOrder;
    const mesh = pack.values("mesh_position"), joint = pack.values("joint_position"), position = new Float32Array(mesh.length + joint.length);
    position.set(mesh);
    position.set(joint, mesh.length);
    const mask = pack.numbers("corrected"), corrected = new Uint32Array(pack.meta.corrected);
    for (let n = 0, c = 0; n < pack.meta.count; n++) if (bit(mask, n)) corrected[c++] = n;
    this.numbers = {
      triangles: head.triangles, sizes: head.neutralSizes, triangle: pack.numbers("triangle"),
      anchor: pack.numbers("anchor"), position, mesh_count: pack.meta.mesh_count,
      corrected, moves: pack.numbers("correction_position"), steps: pack.steps("correction_position"),
    };
    this.here = null; // the sorter of this thread, made when first needed
    this.busy = false;
    this.asked = 0;
    this.last = -Infinity; // when an order was last asked for, milliseconds
    this.spareLength = head.vertices.length;
    this.spare = new Float32Array(this.spareLength); // goes to the worker and comes back
    this.worker = this.startWorker();
  }

  startWorker() {
    try {
      const address = URL.createObjectURL(new Blob([`(${serveOrders})(${DepthOrder});`], { type: "text/javascript" }));
      const worker = new Worker(address);
      worker.onmessage = ({ data }) => {
        URL.revokeObjectURL(address); // not before: some browsers read it late
        this.busy = false;
        this.spare = data.vertices;
        if (data.id === this.asked) this.onOrder(data.order); // else the pose has jumped meanwhile
      };
      worker.onerror = () => { // from now on in this thread
        this.worker = null;
        this.busy = false;
        this.spare = new Float32Array(this.spareLength);
      };
      worker.postMessage({ numbers: this.numbers });
      return worker;
    } catch {
      return null; // a page that allows no workers
    }
  }

  // The order for this pose at once, in this thread: a first picture, or one after a jump.
  now(head, latents, camera) {
    this.here ??= new DepthOrder(this.numbers);
    this.asked++;
    this.onOrder(this.here.sorted(poseOf(head, latents, camera)));
  }

  // Asks for an order of this pose if the last one was asked for `every` milliseconds ago or more.
  refresh(head, latents, camera, time, every = 120) {
    if (this.busy || time - this.last < every) return;
    this.last = time;
    if (!this.worker) {
      this.now(head, latents, camera);
      return;
    }
    this.busy = true;
    this.spare.set(head.vertices);
    this.worker.postMessage(
      { ...poseOf(head, latents, camera), vertices: this.spare, id: ++this.asked },
      [this.spare.buffer],
    );
  }

  close() {
    this.worker?.terminate();
    this.worker = null;
  }
}
