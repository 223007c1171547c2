// Two groups of words, frequent and rare, each context with one next word: the limit of their vectors in closed form.
//
// The formulas are those of step_geometry in ntputils/closed_forms.py; tests/widgets/test_imbalance.py holds them to
// Python, and the points to an eigendecomposition. Nothing here touches the page.

/** Inner products of words where `many` of V follow R contexts each and the others one. */
export function twoGroups(V, many, R) {
  const [few, root, rho] = [V - many, Math.sqrt(R), Math.sqrt((R * (V - many) + many) / V)];
  const [large, small] = [(rho * few) / (many * V), (rho * many) / (few * V)];
  const majority = root * (1 - 1 / many) + large;
  const minority = 1 - 1 / few + small;
  const [majorityPair, minorityPair, mixedPair] = [large - root / many, small - 1 / few, -rho / V];
  return { V, many, R, rho, majority, minority, majorityPair, minorityPair, mixedPair,
    cosines: { minority: few > 1 ? minorityPair / minority : null, majority: many > 1 ? majorityPair / majority : null,
      mixed: mixedPair / Math.sqrt(majority * minority) },
    norm: (many - 1) * root + (few - 1) + rho };
}

/** The cosine of two words, by number from 0: majority first. */
export function cosineOf(world, a, b) {
  if (a === b) return 1;
  const frequent = [a, b].filter((word) => word < world.many).length;
  return [world.cosines.minority, world.cosines.mixed, world.cosines.majority][frequent];
}

/** The imbalance at which two minority words have a given cosine, below one; null if a balanced world has more, or N = 1. */
export function ratioFor(V, many, cosine) {
  const few = V - many;
  const rho = ((few / (1 - cosine) - few + 1) * V) / many;
  const R = (rho * rho * V - many) / few;
  return few > 1 && rho > 0 && R >= 1 ? R : null;
}

/** A vector with mean zero and length one that falls evenly: how a group is spread in the picture. */
function spread(count) {
  const raw = Array.from({ length: count }, (_, i) => (count - 1) / 2 - i);
  const length = Math.hypot(...raw) || 1;
  return raw.map((x) => x / length);
}

/**
 * Words seen along a plane of the space that they live in: across, the direction that tells the groups apart; upwards, one
 * direction that spreads the majority and one that spreads the minority, in equal shares. An orthogonal projection.
 */
export function planePoints(V, many, R) {
  const few = V - many;
  const rho = Math.sqrt(twoGroups(V, many, R).rho);
  const share = Math.sqrt(0.5);
  const frequent = spread(many).map((y) => [-rho * Math.sqrt(few / (many * V)), share * R ** 0.25 * y]);
  const rare = spread(few).map((y) => [rho * Math.sqrt(many / (few * V)), share * y]);
  return [...frequent, ...rare];
}
