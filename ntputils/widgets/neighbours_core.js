// What the panel of nearest neighbours computes: the vectors that came with the page, their cosines, and which words are
// nearest. Vectors are whole numbers from -127 to 127, a word a row: a cosine does not see their lengths.
// tests/widgets/test_neighbours.py holds every number against Python's.

/** The vectors behind a string in base 64: `items` of length d for each geometry, one after the other. */
export function vectorsOf(packed, items, dims) {
  const bytes = Int8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  let from = 0;
  return dims.map((d) => {
    const X = bytes.subarray(from, from + items * d);
    from += items * d;
    const lengths = Float64Array.from({ length: items }, (_, i) => Math.sqrt(product(X, d, i, i)));
    return { X, d, items, lengths };
  });
}

function product(X, d, i, j) {
  let sum = 0;
  for (let a = 0; a < d; a++) sum += X[i * d + a] * X[j * d + a];
  return sum;
}

/** The cosines of one word with all; a zero vector has cosine zero with all. */
export function cosinesWith({ X, d, items, lengths }, i) {
  return Array.from({ length: items }, (_, j) => {
    const scale = lengths[i] * lengths[j];
    return scale > 0 ? product(X, d, i, j) / scale : 0;
  });
}

/** All other words, the nearest first; ties in the order of the vocabulary. */
export function ranking(cosines, i) {
  return cosines.map((_, j) => j).filter((j) => j !== i).sort((a, b) => cosines[b] - cosines[a] || a - b);
}

/** Of lists of words: how many each word is in. */
export function shared(lists) {
  const found = new Map();
  lists.flat().forEach((word) => found.set(word, (found.get(word) ?? 0) + 1));
  return found;
}

/** The words that begin with what was typed, at most so many, in the order of the vocabulary. */
export function beginWith(words, typed, most) {
  const start = typed.trim().toLowerCase();
  return start ? words.map((word, i) => [word, i]).filter(([word]) => word.toLowerCase().startsWith(start))
    .slice(0, most).map(([, i]) => i) : [];
}
