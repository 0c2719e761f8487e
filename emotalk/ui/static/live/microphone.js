// A microphone: asked for, heard in small pieces, and given back.

// The audio thread's part: mono pieces of 1024 samples, and when the first one began.
const TAP = `registerProcessor("emotalk-tap", class extends AudioWorkletProcessor {
  piece = new Float32Array(1024);
  filled = 0;
  process([channels]) {
    const began = currentTime - this.filled / sampleRate;
    for (const channel of channels) for (let i = 0; i < 128; i++) this.piece[this.filled + i] += channel[i] / channels.length;
    this.filled += 128;
    if (this.filled === 1024) {
      this.port.postMessage({ began, piece: this.piece }, [this.piece.buffer]);
      this.piece = new Float32Array(1024);
      this.filled = 0;
    }
    return true;
  }
});`;

const REFUSED = {
  NotAllowedError: "The microphone was not allowed; allow it and try again.",
  NotFoundError: "No microphone was found; plug one in and try again.",
  NotReadableError: "Another program uses the microphone; close it and try again.",
};

export class Microphone {
  // hear({ began, piece }): 1024 samples, and the second of the context's clock when they began; fail(sentence): it cannot
  // be had, or has gone.
  constructor(hear, fail) {
    Object.assign(this, { hear, fail });
  }

  // Asks for it. Call it from a click, so that the browser lets sound run. Gives the context whose rate and clock count,
  // nothing where it failed or was closed meanwhile.
  async open() {
    try {
      const devices = navigator.mediaDevices;
      if (!devices) return this.fail("This page may not use the microphone; open it with https, or on the machine it runs on.");
      this.stream = await devices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
      // Closed while the browser asked.
      if (this.closed) return this.close();
      const context = new AudioContext(), address = URL.createObjectURL(new Blob([TAP], { type: "text/javascript" }));
      this.context = context;
      await context.audioWorklet.addModule(address).finally(() => URL.revokeObjectURL(address));
      if (this.closed) return this.close();
      const source = context.createMediaStreamSource(this.stream), tap = new AudioWorkletNode(context, "emotalk-tap");
      tap.port.onmessage = ({ data }) => this.hear(data);
      // Only what leads to the destination runs; it plays silence.
      source.connect(tap).connect(context.destination);
      this.stream.getAudioTracks()[0].onended = () => this.fail("The microphone has gone; plug it in and try again.");
      context.resume().catch(() => {});
      return context;
    } catch (error) {
      this.fail(REFUSED[error.name] ?? `The microphone could not be opened (${error.name}); try again.`);
    }
  }

  close() {
    this.closed = true;
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
