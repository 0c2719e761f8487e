// Layers of small networks with the arithmetic of torch, on arrays that are there already.
export class Dense {
  // weights [O, I] row by row; bias [O], or nothing
  constructor(weights, outputs, bias = new Float32Array(outputs)) {
    this.weights = weights;
    this.bias = bias;
    this.outputs = outputs;
    this.inputs = weights.length / outputs;
  }

  static of(pack, name) {
    const bias = pack.values(`${name}_bias`);
    return new Dense(pack.values(name), bias.length, bias);
  }

  // out [O] for the inputs [I] that begin at from[at].
  apply(from, out, at = 0) {
    const { weights, bias, outputs, inputs } = this;
    for (let o = 0, w = 0; o < outputs; o++) {
      let sum = bias[o];
      for (let i = 0; i < inputs; i++) sum += weights[w++] * from[at + i];
      out[o] = sum;
    }
    return out;
  }

  // The smaller layer that this one is while its last inputs are these.
  given(last) {
    const { weights, bias, outputs, inputs } = this, left = inputs - last.length;
    const fewer = new Float32Array(outputs * left), constant = Float32Array.from(bias);
    for (let o = 0; o < outputs; o++) {
      fewer.set(weights.subarray(o * inputs, o * inputs + left), o * left);
      let sum = bias[o];
      for (let i = 0; i < last.length; i++) sum += weights[o * inputs + left + i] * last[i];
      constant[o] = sum;
    }
    return new Dense(fewer, outputs, constant);
  }
}

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// ln(1 + exp(knee x)) / knee, straight where a float sees no difference.
export const softplus = (x, knee) => knee * x > 20 ? x : Math.log1p(Math.exp(knee * x)) / knee;

// x times the share of a normal distribution below x, in place; erf by Abramowitz and Stegun 7.1.26, 1.5e-7 off at most.
export function gelu(x) {
  for (let i = 0; i < x.length; i++) {
    const z = Math.abs(x[i]) * Math.SQRT1_2, t = 1 / (1 + 0.3275911 * z);
    const rest = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-z * z);
    x[i] *= x[i] < 0 ? rest / 2 : 1 - rest / 2;
  }
  return x;
}
