// What the collapse panel computes: projection on the leading directions, the collapse ratio, angles, and the view.
//
// ntputils/widgets/collapse.py puts svm_core.js before this file, for its singular values. Vectors are the columns of
// a list of rows, d by m, as in ntputils/metrics.py; tests/widgets/test_collapse.py holds the two together.

/** The `rank` leading left singular vectors of a list of rows; more than `rank` where more are asked for. */
export function directions(rows, rank) {
  return svd(fromRows(rows)).U.slice(0, rank).map((u) => [...u]);
}

/** The orthogonal projection of each column on the span of the given directions, in the same coordinates. */
export function projectOn(rows, basis) {
  const weights = basis.map((u) => rows[0].map((_, j) => rows.reduce((sum, row, i) => sum + u[i] * row[j], 0)));
  return rows.map((row, i) => row.map((_, j) => basis.reduce((sum, u, k) => sum + u[i] * weights[k][j], 0)));
}

/** The mean of the columns of each class, as columns. */
export function classMeans(rows, classes) {
  const counts = [];
  classes.forEach((c) => { counts[c] = (counts[c] ?? 0) + 1; });
  return rows.map((row) => {
    const sums = counts.map(() => 0);
    row.forEach((x, j) => { sums[classes[j]] += x; });
    return sums.map((sum, c) => sum / counts[c]);
  });
}

/** Scatter within classes over scatter between them. */
export function collapseRatio(rows, classes) {
  const means = classMeans(rows, classes);
  let [within, between] = [0, 0];
  rows.forEach((row, i) => {
    const middle = row.reduce((sum, x) => sum + x, 0) / row.length;
    row.forEach((x, j) => {
      within += (x - means[i][classes[j]]) ** 2;
      between += (means[i][classes[j]] - middle) ** 2;
    });
  });
  return within / between;
}

/** The largest angle between two columns of one class, in degrees. */
export function widestAngle(rows, classes) {
  const columns = classes.map((_, j) => rows.map((row) => row[j]));
  const unit = columns.map((x) => x.map((value) => value / (Math.hypot(...x) || 1)));
  let widest = 0;
  unit.forEach((a, j) => unit.slice(0, j).forEach((b, k) => {
    if (classes[j] !== classes[k]) return;
    // Half the chord: exact for small angles, where the cosine is one to all digits.
    const chord = Math.hypot(...a.map((x, i) => x - b[i]));
    widest = Math.max(widest, 2 * Math.asin(Math.min(1, chord / 2)));
  }));
  return (widest * 180) / Math.PI;
}

/**
 * Three axes to look along: the two leading directions, and the largest that the projection leaves out; where it leaves
 * out none, the third. Axes that are not there are zero.
 */
export function axesFor(rows, rank) {
  const all = directions(rows, rows.length);
  const none = rows.map(() => 0);
  const picked = rank === 1 ? [all[0], none, all[1]] : [all[0], all[1], all[rank] ?? all[2]];
  return picked.map((axis) => {
    if (!axis) return none;
    const along = rows[0].map((_, j) => rows.reduce((sum, row, i) => sum + axis[i] * row[j], 0));
    const sign = along.reduce((top, x) => (Math.abs(x) > Math.abs(top) + 1e-9 ? x : top), 0) < 0 ? -1 : 1;
    return axis.map((x) => sign * x);
  });
}

/** The coordinates of each column along the axes: a list of [a, b, c]. */
export const coordinates = (rows, axes) => rows[0].map((_, j) =>
  axes.map((axis) => rows.reduce((sum, row, i) => sum + axis[i] * row[j], 0)));

/** A point seen after a turn by `yaw` about the third axis and a tilt by `pitch`: right, up, towards the eye. */
export function look([a, b, c], yaw, pitch) {
  const right = Math.cos(yaw) * a + Math.sin(yaw) * b;
  const away = -Math.sin(yaw) * a + Math.cos(yaw) * b;
  return [right, Math.cos(pitch) * c + Math.sin(pitch) * away, Math.sin(pitch) * c - Math.cos(pitch) * away];
}
