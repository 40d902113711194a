/** Geometry of the picture, in relative 0..1 coordinates with y downwards. Pure functions. */

/** A coordinate within the picture, with four digits: a tenth of a pixel of a wide picture. */
export const clamp = (value) => Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000;

/** A point within the picture. */
export const within = ([x, y]) => [clamp(x), clamp(y)];

const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);

/** Whether two segments cross, ends included. */
export function cross(a, b, c, d) {
  const [one, two, three, four] = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (((one > 0 && two < 0) || (one < 0 && two > 0)) && ((three > 0 && four < 0) || (three < 0 && four > 0))) {
    return true;
  }
  return (
    (one === 0 && between(a, b, c)) ||
    (two === 0 && between(a, b, d)) ||
    (three === 0 && between(c, d, a)) ||
    (four === 0 && between(c, d, b))
  );
}

const between = ([ax, ay], [bx, by], [x, y]) =>
  Math.min(ax, bx) <= x && x <= Math.max(ax, bx) && Math.min(ay, by) <= y && y <= Math.max(ay, by);

/** The indices of two sides of a polygon that cross, or `null`. */
export function crossedSides(points) {
  const count = points.length;
  for (let one = 0; one < count; one += 1) {
    for (let two = one + 1; two < count; two += 1) {
      const neighbours = two === one + 1 || (one === 0 && two === count - 1);
      if (!neighbours && cross(points[one], points[(one + 1) % count], points[two], points[(two + 1) % count])) {
        return [one, two];
      }
    }
  }
  return null;
}

/** What is wrong with a polygon or a line, in a sentence; `null` where nothing is. */
export function faultOf(kind, points) {
  if (kind === 'line') {
    return points[0][0] === points[1][0] && points[0][1] === points[1][1] ? 'Both ends are at the same point.' : null;
  }
  if (area(points) < 1e-5) {
    return 'All points lie on one line: there is no inside.';
  }
  const found = crossedSides(points);
  return found ? `Its sides ${found[0] + 1} and ${found[1] + 1} cross each other; move a corner.` : null;
}

/** The area of a polygon, without a sign. */
export function area(points) {
  return (
    Math.abs(
      points.reduce((sum, [x, y], index) => {
        const [u, v] = points[(index + 1) % points.length];
        return sum + x * v - u * y;
      }, 0),
    ) / 2
  );
}

/** The middle of points. */
export function middle(points) {
  return [
    points.reduce((sum, [x]) => sum + x, 0) / points.length,
    points.reduce((sum, [, y]) => sum + y, 0) / points.length,
  ];
}

/**
 * Which way `in` goes over a line: to the left hand of someone who walks from A to B, as the rules count.
 * @param points A and B in pixels.
 * @return A unit vector in pixels.
 */
export function inward([[ax, ay], [bx, by]]) {
  const length = Math.hypot(bx - ax, by - ay) || 1;
  return [(by - ay) / length, -(bx - ax) / length];
}

/** A name that is not in use: `line_1`, `line_2`. */
export function freeName(kind, taken) {
  for (let number = 1; ; number += 1) {
    if (!taken.includes(`${kind}_${number}`)) {
      return `${kind}_${number}`;
    }
  }
}

/** What is wrong with a name, in a sentence; `null` where nothing is. */
export function nameFault(name, others) {
  if (!/^[a-z0-9_-]{1,64}$/.test(name)) {
    return 'Small letters, digits, _ and - only, 64 at most.';
  }
  return others.includes(name) ? `The name ${name} is in use.` : null;
}
