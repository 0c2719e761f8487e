// Reads a pack: the bytes that emotalk/live/container.py writes (docs/live-pack.md). Whole numbers lie column by column,
// low bytes first; what they stand for is low + step * number.
import { half } from "./half.js";

export const PACK_VERSION = 2; // and 1, which has no half floats
const BYTES = { u8: 1, u16: 2, f16: 2, f32: 4 };

export function readPack(buffer) {
  const view = new DataView(buffer), bytes = new Uint8Array(buffer);
  if (buffer.byteLength < 12 || String.fromCharCode(...bytes.subarray(0, 4)) !== "EMLV") throw new Error("This is not a live avatar.");
  const version = view.getUint32(4, true), length = view.getUint32(8, true);
  if (version < 1 || version > PACK_VERSION) throw new Error(`This live avatar has version ${version}, the page reads those to ${PACK_VERSION}; reload the page.`);
  const cut = new Error("This live avatar is cut short; reload the page.");
  if (12 + length > buffer.byteLength) throw cut;
  const table = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + length)));
  const arrays = {};
  let at = 12 + length;
  for (const [name, entry] of Object.entries(table.arrays)) {
    const [rows, columns] = entry.shape, size = rows * columns * BYTES[entry.type];
    if (at + size > buffer.byteLength) throw cut;
    arrays[name] = { ...entry, rows, columns, numbers: numbersOf(bytes.subarray(at, at + size), entry, rows, columns) };
    at += size;
  }
  return new Pack(table.meta, arrays);
}

// Row by row, as they are used: [N, C] in one typed array.
function numbersOf(bytes, entry, rows, columns) {
  if (entry.type === "f32") return new Float32Array(bytes.slice().buffer);
  if (entry.type === "f16") return Float32Array.from({ length: rows * columns }, (_, i) => half(bytes[i] | bytes[rows * columns + i] << 8));
  const wide = entry.type === "u16", numbers = wide ? new Uint16Array(rows * columns) : new Uint8Array(rows * columns);
  for (let c = 0, at = 0; c < columns; c++, at += rows * BYTES[entry.type]) {
    for (let i = 0, last = 0; i < rows; i++) {
      let number = bytes[at + i] | (wide ? bytes[at + rows + i] << 8 : 0);
      if (entry.delta[c]) {
        number = last + ((number >> 1) ^ -(number & 1)); // folded: 0, 1, 2, 3 are 0, -1, 1, -2
        last = number;
      }
      numbers[i * columns + c] = number; // wraps around as the type does
    }
  }
  return numbers;
}

class Pack {
  constructor(meta, arrays) {
    this.meta = meta;
    this.arrays = arrays;
    this.expression = Object.fromEntries(meta.expression.map((name, i) => [name, i]));
  }

  numbers(name) {
    return this.arrays[name].numbers;
  }

  // What the numbers stand for, as floats [N, C].
  values(name) {
    const { numbers, step, low, columns } = this.arrays[name];
    if (!step) return Float32Array.from(numbers);
    const values = new Float32Array(numbers.length);
    for (let i = 0; i < values.length; i++) values[i] = low[i % columns] + step[i % columns] * numbers[i];
    return values;
  }

  steps(name) {
    return this.arrays[name].step;
  }

  lows(name) {
    return this.arrays[name].low;
  }
}

// Bits of a pack's masks, the first in the highest place of a byte.
export const bit = (mask, i) => (mask[i >> 3] >> (7 - (i & 7))) & 1;
