// Half floats, as weights and speech code travel. A pattern's sign and exponent choose a factor, and what its mantissa
// counts on from.
const FACTORS = new Float64Array(64), LEADS = new Uint16Array(64);
for (let i = 0; i < 64; i++) {
  const exponent = i & 31, sign = i & 32 ? -1 : 1;
  FACTORS[i] = exponent === 31 ? sign * Infinity : sign * 2 ** (Math.max(exponent, 1) - 25);
  LEADS[i] = exponent ? 1024 : 0;
}

export const half = (pattern) => ((pattern & 0x7fff) > 0x7c00 ? NaN : FACTORS[pattern >> 10] * ((pattern & 1023) + LEADS[pattern >> 10]));

// Fills `out` from out[at] on with the little-endian half floats of a stretch of bytes (Uint8Array or DataView).
export function halves(stretch, out = new Float32Array(stretch.byteLength >> 1), at = 0) {
  const bytes = stretch instanceof Uint8Array ? stretch : new Uint8Array(stretch.buffer, stretch.byteOffset, stretch.byteLength);
  for (let i = 0; i + 1 < bytes.length; i += 2) out[at++] = half(bytes[i] | bytes[i + 1] << 8);
  return out;
}
