// The Schoettle construction on a lateral radiograph, as kneebundle.measurements.schoettle draws it. In mm within.

const LM2_TO_LM3_MM = [1, 25];
const HALF_MM = 35;

/** Lines LM1 to LM3 as far as their points are there, and the Schoettle point with its circle. */
export function constructPlan(points, spacing, anteriorPx) {
  const mm = [spacing[1], spacing[0]];
  const [blum, tmc, prox, dist] = points.map((p) => p && [p[0] * mm[0], p[1] * mm[1]]);
  const toPx = (p) => [p[0] / mm[0], p[1] / mm[1]];
  const plan = { lines: {}, point: null, radiusMm: null };
  if (!prox || !dist) return plan;
  const length = Math.hypot(dist[0] - prox[0], dist[1] - prox[1]);
  if (length < 1e-6) return plan;
  const distal = [(dist[0] - prox[0]) / length, (dist[1] - prox[1]) / length];
  const level = (p) => (p[0] - prox[0]) * distal[0] + (p[1] - prox[1]) * distal[1];
  const at = (along, across, direction) =>
    [prox[0] + along * distal[0] + across * direction[0], prox[1] + along * distal[1] + across * direction[1]];
  let across = [-distal[1], distal[0]];
  if (anteriorPx && across[0] * anteriorPx[0] * mm[0] + across[1] * anteriorPx[1] * mm[1] < 0) {
    across = [distal[1], -distal[0]];
  }
  const end = Math.max(length, blum ? level(blum) : 0, tmc ? level(tmc) : 0);
  plan.lines.LM1 = [toPx(at(-HALF_MM / 2, 0, across)), toPx(at(end + HALF_MM / 2, 0, across))];
  for (const [name, point] of [["LM2", tmc], ["LM3", blum]]) {
    if (point) plan.lines[name] = [-HALF_MM, HALF_MM].map((d) => toPx(at(level(point), d, across)));
  }
  if (anteriorPx && blum && tmc) {
    const apart = level(blum) - level(tmc);
    if (apart >= LM2_TO_LM3_MM[0] && apart <= LM2_TO_LM3_MM[1]) {
      plan.radiusMm = apart / 2;
      plan.point = toPx(at(level(tmc) + plan.radiusMm, plan.radiusMm, across));
    }
  }
  return plan;
}
