// What the training scrubber computes: the vectors that came packed with the page, their cosines and logits, and how
// alike two matrices are. Matrices are { rows, cols, values }, row after row. tests/widgets/scrubber holds every
// number against Python's.

const ALIKE = 5e-3; // cosines with a smaller standard deviation are taken as equal: rounding moves them by about 1e-3

/** The bytes behind a string that Python compressed with zlib and wrote in base 64. */
export async function unpack(text) {
  const squeezed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([squeezed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Where the parts { d, snapshots } of `items` vectors each lie in the bytes, one after the other. */
export function layout(parts, items) {
  let from = 0;
  return parts.map(({ d, snapshots }) => {
    const part = { d, items, snapshots, from };
    from += 2 * snapshots * items * (1 + d);
    return part;
  });
}

/**
 * The vectors of one snapshot of a part, one after the other. A part is a row of 16-bit numbers, all low bytes before all
 * high bytes: first q of each vector, whose entries are multiples of 2^(q/8), then the multiples.
 */
export function vectorsAt(bytes, { d, items, snapshots, from }, k) {
  const count = snapshots * items;
  const number = (at) => {
    const low = from + at;
    return ((bytes[low + count * (1 + d)] << 24) >> 16) | bytes[low]; // the sign is in the high byte
  };
  const X = new Float64Array(items * d);
  for (let item = 0; item < items; item++) {
    const place = k * items + item;
    const step = 2 ** (number(place) / 8);
    for (let a = 0; a < d; a++) X[item * d + a] = step * number(count + place * d + a);
  }
  return { X, d };
}

function products({ X, d }, [r0, rows], [c0, cols]) {
  const values = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (let a = 0; a < d; a++) sum += X[(r0 + i) * d + a] * X[(c0 + j) * d + a];
      values[i * cols + j] = sum;
    }
  }
  return { rows, cols, values };
}

/** The cosines of `count` vectors from number `first` on; a zero vector has cosine zero with all. */
export function cosines(vectors, first, count) {
  const A = products(vectors, [first, count], [first, count]);
  const lengths = Array.from({ length: count }, (_, i) => Math.sqrt(A.values[i * count + i]));
  A.values.forEach((value, at) => {
    const scale = lengths[Math.floor(at / count)] * lengths[at % count];
    A.values[at] = scale > 0 ? value / scale : 0;
  });
  return A;
}

/** The logits of words in contexts (which come after them), each column less its mean. */
export function logits(vectors, words, contexts) {
  const A = products(vectors, [0, words], [words, contexts]);
  for (let j = 0; j < contexts; j++) {
    let sum = 0;
    for (let i = 0; i < words; i++) sum += A.values[i * contexts + j];
    for (let i = 0; i < words; i++) A.values[i * contexts + j] -= sum / words;
  }
  return A;
}

/** What a view shows of vectors: "contexts", "words" or "logits". */
export function matrixOf(vectors, view, words, contexts) {
  if (view === "logits") return logits(vectors, words, contexts);
  return view === "words" ? cosines(vectors, 0, words) : cosines(vectors, words, contexts);
}

export const length = ({ values }) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** The same matrix, as long as another. */
export function asLongAs(A, B) {
  const own = length(A);
  const factor = own > 0 ? length(B) / own : 1;
  return { ...A, values: A.values.map((value) => factor * value) };
}

/** The cosine of the angle between two matrices; NaN where one is zero. */
export function angleCosine(A, B) {
  const scale = length(A) * length(B);
  return scale > 0 ? A.values.reduce((sum, value, at) => sum + value * B.values[at], 0) / scale : NaN;
}

/**
 * Pearson's correlation of two symmetric matrices over the pairs of different items; NaN where the entries of one are all
 * alike, up to what rounding does.
 */
export function pairCorrelation(A, B) {
  const n = A.rows;
  const deviations = ({ values }) => {
    const found = [];
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) found.push(values[i * n + j]);
    const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
    return { values: found.map((value) => value - mean) };
  };
  const [a, b] = [deviations(A), deviations(B)];
  const least = ALIKE * Math.sqrt((n * (n - 1)) / 2);
  return Math.min(length(a), length(b)) < least ? NaN : angleCosine(a, b);
}

/** How alike two matrices of a view are. */
export const likeness = (A, B, view) => (view === "logits" ? angleCosine(A, B) : pairCorrelation(A, B));
