// What the path player computes from the logits that came with the page: parts, angles, probabilities. Matrices are
// lists of rows, words by contexts. tests/widgets/test_path_player.py holds every number against Python's.

const columnsOf = (A) => A[0].map((_, j) => A.map((row) => row[j]));
const mapEntries = (A, f) => A.map((row, i) => row.map((value, j) => f(value, i, j)));
const total = (values) => values.reduce((sum, value) => sum + value, 0);
const inner = (A, B) => total(A.map((row, i) => total(row.map((value, j) => value * B[i][j]))));

export const norm = (A) => Math.sqrt(inner(A, A));
export const minus = (A, B) => mapEntries(A, (value, i, j) => value - B[i][j]);
export const scaled = (A, factor) => mapEntries(A, (value) => factor * value);

/** The cosine of the angle between two matrices; NaN where one is zero. */
export function cosine(A, B) {
  const lengths = norm(A) * norm(B);
  return lengths > 0 ? inner(A, B) / lengths : NaN;
}

/** The projection on F: each column less its mean over the support, zero off it. */
export function finitePart(L, P) {
  const means = columnsOf(P).map((column, j) => {
    const inside = column.map((p, i) => [p, i]).filter(([p]) => p > 0);
    return total(inside.map(([, i]) => L[i][j])) / inside.length;
  });
  return mapEntries(L, (value, i, j) => (P[i][j] > 0 ? value - means[j] : 0));
}

/** L^in: log-probabilities, centred within each support. */
export const logOdds = (P) => finitePart(mapEntries(P, (p) => (p > 0 ? Math.log(p) : 0)), P);

/** The proxy: the supports, each column less its mean. */
export function centredSupport(P) {
  const means = columnsOf(P).map((column) => column.filter((p) => p > 0).length / column.length);
  return mapEntries(P, (p, _, j) => Number(p > 0) - means[j]);
}

/** Probabilities, column by column. */
export function softmaxColumns(L) {
  const tops = columnsOf(L).map((column) => Math.max(...column));
  const E = mapEntries(L, (value, _, j) => Math.exp(value - tops[j]));
  const sums = columnsOf(E).map(total);
  return mapEntries(E, (value, _, j) => value / sums[j]);
}

/** Everything that one stop of the path shows: its three matrices, and the numbers. */
export function stop({ P, pi, lambdas, logits, solution, norm: nu }, k) {
  const [L, lambda] = [logits[k], lambdas[k]];
  const [inside, proxy] = [logOdds(P), centredSupport(P)];
  const finite = finitePart(L, P);
  const rest = minus(L, finite);
  const Q = softmaxColumns(L);
  const leaves = total(pi.map((weight, j) => weight * total(Q.map((row, i) => (P[i][j] > 0 ? 0 : row[j])))));
  const length = norm(rest);
  return { lambda, L, Q, finite, inside, proxy, solution,
    direction: length > 0 ? scaled(rest, norm(solution) / length) : rest,
    leaves, budget: lambda * nu, off: norm(minus(finite, inside)), share: norm(L) > 0 ? norm(finite) / norm(L) : NaN,
    whole: cosine(L, solution), toSolution: cosine(rest, solution), toProxy: cosine(rest, proxy) };
}
