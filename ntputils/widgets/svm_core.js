// NTP-SVM, solved in the page with a certificate.
//
// The same method as ntputils/svm.py, for grids small enough to look at: the quotient by equal rows and columns, then
// Douglas-Rachford from the proxy, with an exact projection by sorting, singular values by one-sided Jacobi rotations,
// and Anderson acceleration. tests/widgets/test_support_grid.py holds the two together. Nothing here touches the page.
//
// A matrix is an array of columns, each a view into one buffer, `flat`. Only `solveNtpSvm` takes and gives lists of
// rows, as a person writes a matrix.

const RELAX = 1.6; // over-relaxation
const STEP = 3; // shrinkage, in units of the mean singular value of the proxy
const MEMORY = 8; // differences that Anderson acceleration combines
const CHECK = 5; // iterations between two looks at the gap
const ROTATED = 1e-14; // cosine below which two columns count as orthogonal
const SWEEPS = 60;

const range = (count) => Array.from({ length: count }, (_, k) => k);

function zeros(rows, cols) {
  const flat = new Float64Array(rows * cols);
  const columns = range(cols).map((j) => flat.subarray(j * rows, (j + 1) * rows));
  return Object.assign(columns, { flat });
}

function build(rows, cols, entry) {
  const A = zeros(rows, cols);
  for (let j = 0; j < cols; j++) for (let i = 0; i < rows; i++) A[j][i] = entry(i, j);
  return A;
}

const transpose = (A) => build(A.length, A[0].length, (i, j) => A[i][j]);

/** A matrix from a list of rows, and back. */
export const fromRows = (rows) => build(rows.length, rows[0].length, (i, j) => Number(rows[i][j]));
export const toRows = (A) => range(A[0].length).map((i) => A.map((column) => column[i]));

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

function times(A, v) {
  const product = new Float64Array(A[0].length);
  A.forEach((column, j) => { for (let i = 0; i < column.length; i++) product[i] += v[j] * column[i]; });
  return product;
}

function rotate(a, b, c, s) {
  for (let k = 0; k < a.length; k++) {
    const x = a[k];
    const y = b[k];
    a[k] = c * x - s * y;
    b[k] = s * x + c * y;
  }
}

/**
 * Singular values, falling, and singular vectors of a matrix by Jacobi rotations of its columns (Hestenes): small
 * singular values come out as exactly as large ones. Vectors of a zero singular value are zero on the longer side.
 * The answer for a matrix nearby is a good `guess`: few rotations are left.
 */
export function svd(A, guess) {
  if (A.length > A[0].length) {
    const { U, s, V } = svd(transpose(A), guess && { U: guess.V, V: guess.U });
    return { U: V, s, V: U };
  }
  const V = guess ? guess.V.map((column) => column.slice()) : [...build(A.length, A.length, (i, j) => Number(i === j))];
  const B = V.map((v) => times(A, v));
  const tiny = 1e-300 + 1e-32 * dot(A.flat, A.flat); // columns shorter than rounding are zero
  let turned = true;
  for (let sweep = 0; turned && sweep < SWEEPS; sweep++) {
    turned = false;
    for (let p = 0; p < B.length; p++) {
      for (let q = p + 1; q < B.length; q++) {
        const a = dot(B[p], B[p]);
        const b = dot(B[q], B[q]);
        const d = dot(B[p], B[q]);
        if (a < tiny || b < tiny || Math.abs(d) <= ROTATED * Math.sqrt(a * b)) continue;
        turned = true;
        const tau = (b - a) / (2 * d);
        const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(B[p], B[q], c, c * t);
        rotate(V[p], V[q], c, c * t);
      }
    }
  }
  const lengths = B.map((column) => Math.sqrt(dot(column, column)));
  const order = range(B.length).sort((p, q) => lengths[q] - lengths[p]);
  const unit = (k) => (lengths[k] ** 2 < tiny ? B[k].map(() => 0) : B[k].map((x) => x / lengths[k]));
  return { U: order.map(unit), s: order.map((k) => lengths[k]), V: order.map((k) => V[k]) };
}

/** Sum of f(s_k) u_k v_k', for the given singular triplets. */
function combine({ U, s, V }, f) {
  const A = zeros(U[0].length, V[0].length);
  s.forEach((value, k) => {
    const factor = f(value);
    if (factor === 0) return;
    A.forEach((column, j) => {
      const weight = factor * V[k][j];
      for (let i = 0; i < column.length; i++) column[i] += weight * U[k][i];
    });
  });
  return A;
}

/** Sum of the singular values of a list of rows. */
export const nuclearNorm = (rows) => svd(fromRows(rows)).s.reduce((sum, value) => sum + value, 0);

/** The centred support, the proxy: each column of S less its mean. */
export function centredRows(S) {
  const means = S[0].map((_, j) => S.reduce((sum, row) => sum + row[j], 0) / S.length);
  return S.map((row) => row.map((value, j) => value - means[j]));
}

/** The nearest feasible logits to A in the norm weighted by rows: in each column one sort finds the common value. */
function project(A, { S, rows, inside }) {
  return A.map((a, j) => {
    const member = S[j];
    const others = range(a.length).filter((i) => !member[i]).sort((i, k) => a[k] - a[i]);
    let total = 0;
    for (let i = 0; i < a.length; i++) if (member[i]) total += rows[i] * a[i];
    let weight = inside[j];
    for (const i of others) {
      if (a[i] + 1 <= total / weight) break;
      total += rows[i] * (a[i] + 1);
      weight += rows[i];
    }
    const top = total / weight;
    return a.map((x, i) => (member[i] ? top : Math.min(x, top - 1)));
  });
}

/** Solves M x = b for a small positive definite M, by Gaussian elimination with pivots. */
function linearSolve(M, b) {
  const A = M.map((row, i) => [...row, b[i]]);
  const n = A.length;
  for (let p = 0; p < n; p++) {
    const best = range(n - p).reduce((top, k) => (Math.abs(A[p + k][p]) > Math.abs(A[top][p]) ? p + k : top), p);
    [A[p], A[best]] = [A[best], A[p]];
    for (let i = p + 1; i < n; i++) {
      const f = A[i][p] / A[p][p];
      for (let k = p; k <= n; k++) A[i][k] -= f * A[p][k];
    }
  }
  const x = new Array(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    x[i] = (A[i][n] - range(n - 1 - i).reduce((sum, k) => sum + A[i][i + 1 + k] * x[i + 1 + k], 0)) / A[i][i];
  }
  return x;
}

/** Anderson acceleration of z <- z + g(z), cleared when the residual grows: a function of the flat z and g. */
function anderson() {
  let [points, residuals, size] = [[], [], Infinity];
  const differences = (list) => list.slice(1).map((v, k) => v.map((x, i) => x - list[k][i]));
  return (z, g) => {
    const now = Math.sqrt(dot(g, g));
    if (now > 2 * size) [points, residuals] = [[], []];
    size = now;
    points = [...points.slice(-MEMORY), z.map((x, k) => x + g[k])];
    residuals = [...residuals.slice(-MEMORY), g];
    const moved = points.at(-1).slice();
    if (points.length < 3) return moved;
    const D = differences(residuals);
    const M = D.map((a) => D.map((b) => dot(a, b)));
    const ridge = 1e-10 * M.reduce((sum, row, k) => sum + row[k], 0);
    if (!(ridge > 0)) return moved;
    M.forEach((row, k) => { row[k] += ridge; });
    const mix = linearSolve(M, D.map((d) => dot(d, g)));
    differences(points).forEach((d, k) => { for (let i = 0; i < moved.length; i++) moved[i] -= mix[k] * d[i]; });
    return moved;
  };
}

/** Equal entries of a list of keys: the first place of each, and to which of them every place belongs. */
function merge(keys) {
  const known = [...new Set(keys)];
  return { first: known.map((key) => keys.indexOf(key)), inverse: keys.map((key) => known.indexOf(key)),
    counts: known.map((key) => keys.filter((other) => other === key).length) };
}

function iterate(problem, tol, maxIter) {
  const { S, rows, inside, weight, V } = problem;
  const map = (A, f) => build(rows.length, S.length, (i, j) => f(A[j][i], weight[j][i]));
  const X0 = build(rows.length, S.length, (i, j) => (S[j][i] - inside[j] / V) * weight[j][i]);
  const start = svd(X0);
  const kept = start.s.filter((value) => value > 1e-9 * start.s[0]);
  const step = (STEP * kept.reduce((sum, value) => sum + value, 0)) / kept.length;
  const polar = combine(start, (value) => Number(value > 1e-9 * start.s[0]));
  const z = build(rows.length, S.length, (i, j) => X0[j][i] - step * polar[j][i]);
  const best = { primal: Infinity, dual: -Infinity };
  const accelerate = anderson();
  let nearby; // the last decomposition: the next matrix is close to the last
  const look = (X) => {
    const primal = svd(X).s.reduce((sum, value) => sum + value, 0);
    if (primal < best.primal) Object.assign(best, { primal, X });
    const G = build(rows.length, S.length, (i, j) => X[j][i] - z[j][i]);
    const norm = svd(G).s[0] * (1 + 1e-12);
    let pairing = 0; // <X, G> = <S, G>: X leaves its proxy only where G is zero
    X.forEach((column, j) => { pairing += dot(column, G[j]); });
    if (norm > 0 && pairing / norm > best.dual) {
      Object.assign(best, { dual: pairing / norm, G: map(G, (g) => g / norm) });
    }
    return (best.primal - best.dual) / best.primal;
  };
  for (best.iterations = 1; ; best.iterations++) {
    const P = project(map(z, (x, w) => x / w), problem);
    const X = map(P, (x, w) => x * w);
    const last = best.iterations >= maxIter;
    if ((best.iterations % CHECK === 1 || last) && (look(X) <= tol || last)) break;
    nearby = svd(build(rows.length, S.length, (i, j) => 2 * X[j][i] - z[j][i]), nearby);
    const T = combine(nearby, (value) => Math.max(0, value - step)); // the shrinkage of singular values
    const g = T.flat.map((x, k) => RELAX * (x - X.flat[k]));
    z.flat.set(accelerate(z.flat, g));
  }
  return { ...best, L: map(best.X, (x, w) => x / w), certificate: map(best.G, (x, w) => x / w) };
}

/**
 * Solves NTP-SVM for a list of rows of 0 and 1 in which no column is empty.
 *
 * Gives { L, certificate, primal, dual, gap, iterations }: L is feasible, the certificate is feasible for the dual, and
 * (primal - dual) / primal, the gap, bounds how far from optimal both are.
 */
export function solveNtpSvm(S, { tol = 1e-6, maxIter = 3000 } = {}) {
  const cols = merge(S[0].map((_, j) => S.map((row) => Number(row[j])).join("")));
  const rows = merge(S.map((row) => row.map(Number).join("")));
  const bound = range(cols.first.length).filter((c) => S.some((row) => !row[cols.first[c]]));
  const empty = () => S.map((row) => row.map(() => 0));
  if (!bound.length) {
    return { L: empty(), certificate: empty(), primal: 0, dual: 0, gap: 0, iterations: 0 };
  }
  const quotient = build(rows.first.length, bound.length,
    (i, j) => Number(S[rows.first[i]][cols.first[bound[j]]]));
  const problem = { S: quotient, rows: rows.counts, V: S.length, inside: quotient.map((c) => dot(c, rows.counts)),
    weight: build(rows.first.length, bound.length, (i, j) => Math.sqrt(rows.counts[i] * cols.counts[bound[j]])) };
  const { L, certificate, primal, dual, iterations } = iterate(problem, tol, maxIter);
  const place = new Map(bound.map((c, j) => [c, j])); // full columns have no constraint: they stay zero
  const expand = (A) => S.map((row, i) => row.map((_, j) => A[place.get(cols.inverse[j])]?.[rows.inverse[i]] ?? 0));
  return { L: expand(L), certificate: expand(certificate), primal, dual, iterations,
    gap: Math.max(0, primal - dual) / primal };
}

/** Grams (LL')^{1/2} and (L'L)^{1/2}, singular values, and the balanced factors of a list of rows. */
export function spectrum(L) {
  const { U, s, V } = svd(fromRows(L));
  const gram = (Q) => Q[0] && range(Q[0].length).map((i) => range(Q[0].length).map((k) =>
    s.reduce((sum, value, q) => sum + value * Q[q][i] * Q[q][k], 0)));
  // A singular pair has a free sign: the largest entry of its word vector is made positive.
  const sign = U.map((u) => Math.sign(u.reduce((top, x) => (Math.abs(x) > Math.abs(top) + 1e-9 ? x : top), 0)) || 1);
  const factor = (Q) => range(Q[0].length).map((i) => s.map((value, q) => sign[q] * Math.sqrt(value) * Q[q][i]));
  return { s, words: gram(U), contexts: gram(V), W: factor(U), H: factor(V) };
}

/** L(tau) = P(S - tau Pi) for the pentagon, where Pi marks the token opposite each edge. */
export function pentagonRows(tau) {
  return centredRows(range(5).map((i) => range(5).map((j) =>
    Number(i === j || i === (j + 1) % 5) - tau * Number(i === (j + 3) % 5))));
}
