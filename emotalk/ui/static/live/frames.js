// What belongs to the frames of a stream, one entry a frame; those that were played are dropped.
export const SOUND_RATE = 16000, SOUND_FPS = 25, SOUND_HOP = SOUND_RATE / SOUND_FPS;
// Entries dropped at a time.
const PLAYED = 100;

export class Frames {
  constructor() {
    this.first = 0;
    this.kept = [];
  }

  // The frame after the last one.
  get end() {
    return this.first + this.kept.length;
  }

  // The entry of frame i: null before the first that is kept, the last one after it.
  at(i) {
    return this.kept[Math.min(i - this.first, this.kept.length - 1)] ?? null;
  }

  // Entries of frames `first` and on; frames that were left out hold what was before them.
  put(first, entries) {
    const last = this.kept.at(-1) ?? null;
    this.kept.length = Math.max(0, Math.min(this.kept.length, first - this.first));
    while (this.end < first) this.kept.push(last);
    for (const entry of entries) this.kept.push(entry);
  }

  // Rows of `size` numbers, one after the other.
  add(numbers, size, first = this.end) {
    this.put(first, Array.from({ length: numbers.length / size }, (_, i) => numbers.subarray(i * size, (i + 1) * size)));
  }

  drop(before) {
    // One is always held.
    const played = Math.min(before - this.first, this.kept.length - 1);
    if (played < PLAYED) return;
    this.kept.splice(0, played);
    this.first += played;
  }
}
