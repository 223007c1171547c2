// Words on the trigonometric moment curve, and the context vector of a support: the arithmetic of moment_curve.py.
//
// Words stand at equal angles, d = 2k. Nothing here touches the page; tests/widgets/test_moment_curve.py holds it to
// Python's numbers.

const TURN = 2 * Math.PI;

/** The angle of a word among V. */
export const angleOf = (z, V) => (TURN * z) / V;

/** The product of 1 - cos(t - t_z) over the support: zero at its words, positive elsewhere. */
export const gapAt = (t, support, V) =>
  support.reduce((product, z) => product * 2 * Math.sin((t - angleOf(z, V)) / 2) ** 2, 1);

/** The point of the moment curve: (cos t, sin t, ..., cos kt, sin kt). */
export const curvePoint = (t, k) =>
  Array.from({ length: 2 * k }, (_, i) => (i % 2 ? Math.sin : Math.cos)((Math.floor(i / 2) + 1) * t));

/** The context vector before scaling, and the height (level) that the words of the support reach. */
export function contextVector(support, k, V) {
  let c = [[1, 0]]; // complex coefficients of exp(int), n from -size to size
  for (const z of support) {
    const t = angleOf(z, V);
    const next = Array.from({ length: c.length + 2 }, () => [0, 0]);
    c.forEach(([re, im], n) => {
      const add = (at, a, b) => {
        next[at][0] += re * a - im * b;
        next[at][1] += re * b + im * a;
      };
      add(n, -0.5 * Math.cos(t), -0.5 * Math.sin(t));
      add(n + 1, 1, 0);
      add(n + 2, -0.5 * Math.cos(t), 0.5 * Math.sin(t));
    });
    c = next;
  }
  const h = new Array(2 * k).fill(0);
  const middle = support.length;
  for (let n = 1; n <= middle; n++) [h[2 * n - 2], h[2 * n - 1]] = [-2 * c[middle + n][0], 2 * c[middle + n][1]];
  return { h, level: c[middle][0] };
}

/** The margin before scaling: the smallest gap over the words that are not in the support; null if there is none. */
export function marginOf(support, V) {
  const inside = new Set(support);
  const gaps = [];
  for (let v = 0; v < V; v++) if (!inside.has(v)) gaps.push(gapAt(angleOf(v, V), support, V));
  return gaps.length ? Math.min(...gaps) : null;
}

/** All k-subsets of 0 ... V - 1, one after the other. */
function* subsets(V, k, from = 0) {
  if (k === 0) yield [];
  else for (let z = from; z <= V - k; z++) for (const rest of subsets(V, k - 1, z + 1)) yield [z, ...rest];
}

const choose = (n, k) => Array.from({ length: k }, (_, i) => (n - i) / (i + 1)).reduce((a, b) => a * b, 1);

/**
 * The nuclear norm of the logits of all k-subsets, each scaled to margin one, and the least norm there is, the proxy's.
 * The family looks the same from every word, so H H' is a multiple of the identity on each frequency, and W' W = V/2.
 */
export function price(V, k) {
  const squares = new Array(k).fill(0);
  for (const support of subsets(V, k)) {
    const { h } = contextVector(support, k, V);
    const margin = marginOf(support, V);
    for (let n = 0; n < k; n++) squares[n] += (h[2 * n] ** 2 + h[2 * n + 1] ** 2) / (2 * margin ** 2);
  }
  const norm = Math.sqrt(V / 2) * squares.reduce((sum, a) => sum + 2 * Math.sqrt(a), 0);
  const least = (V - 1) * Math.sqrt(choose(V - 2, k - 1));
  return { norm, least, ratio: norm / least };
}

/** Everything the page shows for one support. */
export function readSupport(V, k, support) {
  const { h, level } = contextVector(support, k, V);
  const margin = marginOf(support, V);
  const heights = Array.from({ length: V }, (_, v) => curvePoint(angleOf(v, V), k)
    .reduce((sum, x, i) => sum + x * h[i], 0));
  const length = Math.hypot(...h);
  return { h, level, margin, heights, length: margin ? length / margin : 0 };
}
