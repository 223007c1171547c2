// Two families of worlds with a formula for every angle, and the same angles from a solution made in the page.
//
// The formulas are those of ntputils/closed_forms.py; the solution is that of svm_core.js, which this file follows.
// tests/widgets/test_symmetric.py holds the two sides together, and both to Python. Nothing here touches the page.
//
// A world is { V, columns, counts }: the distinct supports as lists of words from 0, and how many contexts share each.

const upTo = (count) => Array.from({ length: count }, (_, k) => k);

/** All k-subsets of 0 .. V - 1, in lexicographic order. */
export function subsets(V, k) {
  if (k === 0) return [[]];
  return upTo(V).flatMap((first) => subsets(V - first - 1, k - 1)
    .map((rest) => [first, ...rest.map((word) => word + first + 1)]));
}

const binomial = (n, k) => upTo(k).reduce((product, i) => (product * (n - i)) / (i + 1), 1);

/** One context for each k-subset of V words. */
export function subsetWorld(V, k) {
  const columns = subsets(V, k);
  return { V, columns, counts: columns.map(() => 1) };
}

/** One next word each: half of the words follow R contexts, the others one. */
export const stepWorld = (V, R) => ({ V, columns: upTo(V).map((word) => [word]),
  counts: upTo(V).map((word) => (word < V / 2 ? R : 1)) });

/** Norm and cosines where every k-subset is a support; `contexts` is a function of how many words two of them share. */
export function subsetFormulas(V, k) {
  const sigma = Math.sqrt(binomial(V - 2, k - 1));
  return { norm: (V - 1) * sigma, words: -1 / (V - 1), inside: Math.sqrt((V - k) / (k * (V - 1))),
    outside: -Math.sqrt(k / ((V - k) * (V - 1))), contexts: (shared) => (V * shared - k * k) / (k * (V - k)) };
}

/** Norm, and cosines between words, under step imbalance. */
export function stepFormulas(V, R) {
  const [root, rho] = [Math.sqrt(R), Math.sqrt((R + 1) / 2)];
  const majority = root * (1 - 2 / V) + rho / V;
  const minority = 1 - 2 / V + rho / V;
  return { norm: (V / 2 - 1) * (root + 1) + rho, majority: (rho - 2 * root) / V / majority,
    minority: (rho - 2) / V / minority, mixed: -rho / V / Math.sqrt(majority * minority) };
}

/**
 * Solves NTP-SVM for a world. Gives the norm, the gap, and inner products of words, of words with the distinct contexts,
 * and of these; `at` is the point of a word or of a context in the plane of a regular V-gon.
 */
export function solveWorld({ V, columns, counts }) {
  const S = upTo(V).map((word) => columns.flatMap((column, j) => new Array(counts[j]).fill(Number(column.includes(word)))));
  const { L, primal, gap, iterations } = solveNtpSvm(S);
  const first = upTo(columns.length).map((j) => counts.slice(0, j).reduce((sum, count) => sum + count, 0));
  const cross = L.map((row) => first.map((place) => row[place]));
  const roots = counts.map(Math.sqrt);
  const { U, s, V: Q } = svd(fromRows(cross.map((row) => row.map((value, j) => value * roots[j]))));
  const product = (A, i, k, power) => s.reduce((sum, value, q) => sum + value ** power * A[q][i] * A[q][k], 0);
  const words = upTo(V).map((i) => upTo(V).map((k) => product(U, i, k, 1)));
  const context = (i, k) => product(Q, i, k, 1) / (roots[i] * roots[k]);
  const plane = [Math.cos, Math.sin].map((turn) => upTo(V).map((i) => Math.sqrt(2 / V) * turn((2 * Math.PI * i) / V)));
  const axes = plane.map((axis) => U.map((u, q) => Math.sqrt(s[q]) * u.reduce((sum, x, i) => sum + x * axis[i], 0)));
  const at = (vector) => axes.map((axis) => axis.reduce((sum, x, q) => sum + x * vector(q), 0));
  return { primal, gap, iterations, words, cross, context, wordAt: (i) => at((q) => U[q][i]),
    contextAt: (j) => at((q) => Q[q][j] / roots[j]) };
}

const cosine = (inner, a, b) => Math.max(-1, Math.min(1, inner / Math.sqrt(a * b)));

/** Cosines of a solved world: between two words, a word and a context, two contexts. */
export const cosines = ({ words, cross, context }) => ({
  words: (i, k) => cosine(words[i][k], words[i][i], words[k][k]),
  mixed: (i, j) => cosine(cross[i][j], words[i][i], context(j, j)),
  contexts: (i, j) => cosine(context(i, j), context(i, i), context(j, j)),
});

/** How many words two supports share. */
export const shared = (a, b) => a.filter((word) => b.includes(word)).length;

/** The table of all k-subsets, as seen from one context: { key, label, formula, solved }. */
export function subsetTable(V, k, world, solution, chosen) {
  const [formula, solved, here] = [subsetFormulas(V, k), cosines(solution), world.columns[chosen]];
  const outside = upTo(V).find((word) => !here.includes(word));
  const rows = [["words", "two words", formula.words, solved.words(0, 1)],
    ["inside", "a context and a next word", formula.inside, solved.mixed(here[0], chosen)],
    ["outside", "a context and another word", formula.outside, solved.mixed(outside, chosen)]];
  for (let common = k - 1; common >= Math.max(0, 2 * k - V); common--) {
    const other = world.columns.findIndex((column) => shared(column, here) === common);
    rows.push([`share-${common}`, `two contexts that share ${common}`, formula.contexts(common),
      solved.contexts(chosen, other)]);
  }
  return rows.map(([key, label, wanted, found]) => ({ key, label, formula: wanted, solved: found }));
}

/** The table of step imbalance. */
export function stepTable(V, R, solution) {
  const [formula, solved, half] = [stepFormulas(V, R), cosines(solution), V / 2];
  return [["majority", "two majority words", solved.words(0, 1)],
    ["minority", "two minority words", solved.words(half, half + 1)],
    ["mixed", "one word of each", solved.words(0, half)],
  ].map(([key, label, found]) => ({ key, label, formula: formula[key], solved: found }));
}
