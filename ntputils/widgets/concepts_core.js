// What the concepts panel computes: orthants of the chosen concepts, and what lives in each. A world holds the scores of
// words and contexts in units of their root mean square; tests/widgets/test_concepts.py holds the answers against Python's.

/** How far an item is from the nearest wall of its orthant: the smallest of its scores on the chosen concepts. */
export const strength = (scores, chosen) => Math.min(...chosen.map((i) => Math.abs(scores[i])));

/** The orthant of an item: its signs on the chosen concepts as a binary number, the first concept in front. */
export const orthantOf = (scores, chosen) => chosen.reduce((number, i) => 2 * number + Number(scores[i] > 0), 0);

/** The signs that a number stands for, true above zero. */
export const signsOf = (number, count) => Array.from({ length: count }, (_, k) => Boolean((number >> (count - 1 - k)) & 1));

/**
 * All orthants of the chosen concepts, the one with all signs above zero first: words and contexts in each, the strongest
 * first, as [index, strength]; those of at most `tol` are undecided.
 */
export function orthants({ words, contexts }, chosen, tol) {
  const count = 2 ** chosen.length;
  const cells = Array.from({ length: count }, (_, k) => ({ number: count - 1 - k,
    signs: signsOf(count - 1 - k, chosen.length), words: [], contexts: [] }));
  const fill = (items, key) => items.forEach(({ scores }, index) => {
    const far = strength(scores, chosen);
    cells[count - 1 - orthantOf(scores, chosen)][key].push({ index, far, undecided: far <= tol });
  });
  fill(words, "words");
  fill(contexts, "contexts");
  for (const cell of cells) {
    for (const key of ["words", "contexts"]) cell[key].sort((a, b) => b.far - a.far || a.index - b.index);
  }
  return cells;
}

/** How many orthants hold a decided item, and how many items are undecided, of words or of contexts. */
export function tally(cells, key) {
  const decided = cells.map((cell) => cell[key].filter(({ undecided }) => !undecided).length);
  const all = cells.reduce((sum, cell) => sum + cell[key].length, 0);
  return { inhabited: decided.filter((n) => n > 0).length, undecided: all - decided.reduce((sum, n) => sum + n, 0) };
}

/** The items that score farthest on one concept, on either side of zero. */
export function poles(items, i, count) {
  const order = items.map(({ name, scores }, index) => ({ name, score: scores[i], index }))
    .sort((a, b) => b.score - a.score || a.index - b.index);
  const high = order.filter(({ score }) => score > 0).slice(0, count);
  const low = order.filter(({ score }) => score < 0).reverse().slice(0, count);
  return { high: high.map(({ name }) => name), low: low.map(({ name }) => name) };
}

