// numpy's draws from Philox 4x64-10, as ganlib/generation/noise.py takes them: image i of a seed has the same noise here
// as everywhere. The ziggurat's tables are computed as numpy's authors did (Marsaglia and Tsang 2000, 256 layers).
export const BLOCK = 64;

const WORD = (1n << 64n) - 1n;
const HALF = 0xffffffffn;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const BUMPS = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const LAYERS = 256;
const TAIL = 3.6541528853610087963519472518; // where the lowest layer's tail begins
const AREA = 0.004928673233974658; // of each layer
const STEPS = 2 ** 23;

const density = (x) => Math.exp((-x * x) / 2);
const { heights, widths, limits } = tables();

function tables() {
  const edges = new Float64Array(LAYERS);
  const heights = new Float64Array(LAYERS);
  edges[LAYERS - 1] = TAIL;
  heights[LAYERS - 1] = density(TAIL);
  for (let at = LAYERS - 2; at; at--) {
    heights[at] = heights[at + 1] + AREA / edges[at + 1];
    edges[at] = Math.sqrt(-2 * Math.log(heights[at]));
  }
  heights[0] = 1;
  const base = AREA / density(TAIL);
  const limits = Array.from(edges, (edge, at) => Math.round(((at ? edges[at - 1] / edge : TAIL / base)) * STEPS));
  const widths = Float32Array.from(edges, (edge, at) => (at ? edge : base) / STEPS);
  return { heights: Float32Array.from(heights), widths, limits };
}

export class Philox {
  // seed: 0 to 2**64 - 1, a BigInt; stream 0 is the noise, 1 what is drawn for conditions.
  constructor(seed, block, stream) {
    this.key = [seed, BigInt(stream)];
    this.counter = [0n, 0n, BigInt(block), 0n];
    this.words = [];
    this.half = null;
  }

  round() {
    this.counter[0]++; // a block of images ends long before this word does
    let [a, b, c, d] = this.counter;
    let [first, second] = this.key;
    for (let turn = 0; turn < 10; turn++) {
      const [x, y] = [MULTIPLIERS[0] * a, MULTIPLIERS[1] * c];
      [a, b, c, d] = [(y >> 64n) ^ b ^ first, y & WORD, (x >> 64n) ^ d ^ second, x & WORD];
      first = (first + BUMPS[0]) & WORD;
      second = (second + BUMPS[1]) & WORD;
    }
    this.words = [d, c, b, a]; // taken from the end
  }

  word() {
    if (!this.words.length) this.round();
    return this.words.pop();
  }

  // 32 bits: of each word the lower half first.
  short() {
    if (this.half !== null) {
      const kept = this.half;
      this.half = null;
      return kept;
    }
    const word = this.word();
    this.half = Number(word >> 32n);
    return Number(word & HALF);
  }

  share() {
    return Number(this.word() >> 11n) / 2 ** 53;
  }

  // A whole number below `limit`, each as likely (Lemire 2019).
  below(limit) {
    if (limit === 1) return 0;
    const range = BigInt(limit);
    const threshold = (1n << 32n) % range;
    for (;;) {
      const product = BigInt(this.short()) * range;
      if ((product & HALF) >= threshold) return Number(product >> 32n);
    }
  }

  fraction() {
    return (this.short() >>> 8) / 2 ** 24;
  }

  normal() {
    for (;;) {
      const bits = this.short();
      const layer = bits & 0xff;
      const size = (bits >>> 9) & 0x7fffff;
      const value = Math.fround(size * widths[layer]);
      const signed = (bits >>> 8) & 1 ? -value : value;
      if (size < limits[layer]) return signed;
      if (layer === 0) return this.tail(size);
      const height = Math.fround(Math.fround(heights[layer - 1] - heights[layer]) * this.fraction());
      if (Math.fround(height + heights[layer]) < Math.exp(-0.5 * signed * signed)) return signed;
    }
  }

  tail(size) {
    for (;;) {
      const over = Math.fround(-Math.fround(1 / TAIL) * Math.fround(Math.log1p(-this.fraction())));
      const drop = Math.fround(-Math.fround(Math.log1p(-this.fraction())));
      if (Math.fround(drop + drop) > Math.fround(over * over)) {
        const value = Math.fround(Math.fround(TAIL) + over);
        return (size >> 8) & 1 ? -value : value;
      }
    }
  }
}

// Rows of noise of images `64 * block` to `64 * block + 63`, one after the other.
export function noiseBlock(seed, block, width) {
  const random = new Philox(seed, block, 0);
  return Float32Array.from({ length: BLOCK * width }, () => random.normal());
}

// Numbers of classes or captions for the 64 images of a block; `shares` are empty where all are as likely.
export function draws(seed, block, choices, shares) {
  const random = new Philox(seed, block, 1);
  if (!shares.length) return Array.from({ length: BLOCK }, () => random.below(choices));
  let sum = 0;
  const ends = shares.slice(0, -1).map((share) => (sum += share));
  return Array.from({ length: BLOCK }, () => {
    const share = random.share();
    const place = ends.findIndex((end) => share < end);
    return place < 0 ? ends.length : place;
  });
}

// Points on the great circle from `start` to `end`, as ganlib/generation/pictures/interpolate.py has them.
export function slerp(start, end, steps) {
  const length = (row) => Math.hypot(...row);
  const product = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
  const mix = (a, b, x, y) => Array.from(a, (value, at) => x * value + y * b[at]);
  const [from, to] = [Array.from(start), Array.from(end)];
  const [near, far] = [length(from), length(to)];
  const path = Array.from({ length: steps }, (_, step) => step / (steps - 1));
  if (from.length < 2 || !near || !far) return path.map((share) => Float32Array.from(mix(from, to, 1 - share, share)));
  const [u, v] = [from.map((value) => value / near), to.map((value) => value / far)];
  const angle = 2 * Math.atan2(length(mix(u, v, 1, -1)), length(mix(u, v, 1, 1)));
  let across = mix(v, u, 1, -product(u, v));
  if (length(across) < 1e-6) {
    const least = u.map(Math.abs).reduce((best, value, at, all) => (value < all[best] ? at : best), 0);
    const axis = u.map((_, at) => Number(at === least));
    across = mix(axis, u, 1, -product(u, axis));
  }
  const size = length(across);
  return path.map((share, step) => {
    if (step === 0) return start;
    if (step === steps - 1) return end;
    const radius = (1 - share) * near + share * far;
    return Float32Array.from(mix(u, across, radius * Math.cos(share * angle), (radius * Math.sin(share * angle)) / size));
  });
}
