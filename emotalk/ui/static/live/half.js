// Half floats (float16, low byte first) as numbers.
const HALF_STEPS = Float64Array.from({ length: 64 }, (_, i) => (i & 32 ? -1 : 1) * 2 ** (Math.max(i & 31, 1) - 25));

// bytes: Uint8Array of N halves; fills and returns `out`, a Float32Array of N.
export function halves(bytes, out = new Float32Array(bytes.length >> 1)) {
  for (let i = 0; 2 * i + 1 < bytes.length; i++) {
    const high = bytes[2 * i + 1], mantissa = ((high & 3) << 8) | bytes[2 * i], power = (high >> 2) & 31;
    if (power === 31) out[i] = mantissa ? NaN : high & 128 ? -Infinity : Infinity;
    else out[i] = (power ? mantissa + 1024 : mantissa) * HALF_STEPS[high >> 2];
  }
  return out;
}
