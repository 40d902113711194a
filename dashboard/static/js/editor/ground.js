/** From the picture to the ground and back by four points: a homography. Pure functions. */

/**
 * The matrix that takes four points to four others; its third coordinate is positive at the four.
 * @return Nine numbers, row by row, or `null` where three of the points lie on one line.
 */
export function homography(from, to) {
  // around the middle of the points, which lies before the horizon though the origin may not
  const [mx, my] = [from.reduce((sum, [x]) => sum + x, 0) / 4, from.reduce((sum, [, y]) => sum + y, 0) / 4];
  const rows = from.flatMap(([px, py], index) => {
    const [x, y, u, v] = [px - mx, py - my, ...to[index]];
    return [
      [x, y, 1, 0, 0, 0, -u * x, -u * y, u],
      [0, 0, 0, x, y, 1, -v * x, -v * y, v],
    ];
  });
  const found = solve(rows);
  if (!found) {
    return null;
  }
  const [a, b, c, d, e, f, g, k] = found;
  return [a, b, c - a * mx - b * my, d, e, f - d * mx - e * my, g, k, 1 - g * mx - k * my];
}

/** Gauss' elimination of 8 equations with the right side as their last column. */
function solve(rows) {
  const size = rows.length;
  for (let column = 0; column < size; column += 1) {
    let best = column;
    for (let row = column + 1; row < size; row += 1) {
      if (Math.abs(rows[row][column]) > Math.abs(rows[best][column])) {
        best = row;
      }
    }
    if (Math.abs(rows[best][column]) < 1e-10) {
      return null;
    }
    [rows[column], rows[best]] = [rows[best], rows[column]];
    for (let row = 0; row < size; row += 1) {
      if (row === column) {
        continue;
      }
      const times = rows[row][column] / rows[column][column];
      for (let cell = column; cell <= size; cell += 1) {
        rows[row][cell] -= times * rows[column][cell];
      }
    }
  }
  return rows.map((row, index) => row[size] / row[index]);
}

/** Where a point goes; `null` at and behind the horizon, where the third coordinate changes its sign. */
export function mapped(matrix, [x, y]) {
  const w = matrix[6] * x + matrix[7] * y + matrix[8];
  if (w < 1e-9) {
    return null;
  }
  return [(matrix[0] * x + matrix[1] * y + matrix[2]) / w, (matrix[3] * x + matrix[4] * y + matrix[5]) / w];
}

/** A step of 1, 2 or 5 times a power of ten, so that a length has about `parts` of them. */
export function niceStep(length, parts) {
  const rough = length / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
}

/**
 * Lines of a metric grid over the four points and a margin around them, as points of the picture.
 * @param calibration `{image, ground_m}`, four points each.
 * @param margin Of the size of the four points, on each side.
 * @return `{step, lines}`: metres between two lines, and polylines in relative coordinates; `null` where it is degenerate.
 */
export function metricGrid({image, ground_m: ground}, margin = 0.5) {
  const matrix = homography(ground, image);
  if (!matrix) {
    return null;
  }
  const [xs, ys] = [ground.map(([x]) => x), ground.map(([, y]) => y)];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const step = niceStep(Math.max(x1 - x0, y1 - y0), 10);
  const span = (low, high) => [
    Math.ceil((low - margin * (high - low)) / step) * step,
    Math.floor((high + margin * (high - low)) / step) * step,
  ];
  const [[left, right], [low, high]] = [span(x0, x1), span(y0, y1)];
  const lines = [];
  for (const x of steps(left, right, step)) {
    lines.push(...visible(steps(low, high, step / 4).map((y) => mapped(matrix, [x, y]))));
  }
  for (const y of steps(low, high, step)) {
    lines.push(...visible(steps(left, right, step / 4).map((x) => mapped(matrix, [x, y]))));
  }
  return {step, lines};
}

function steps(from, to, step) {
  return Array.from({length: Math.floor((to - from) / step + 1e-6) + 1}, (_, index) => from + index * step);
}

/** Cuts a polyline where it goes behind the horizon or far out of the picture. */
function visible(points) {
  const found = [];
  let run = [];
  for (const point of points) {
    const near = point && point[0] > -1 && point[0] < 2 && point[1] > -1 && point[1] < 2;
    if (near) {
      run.push(point);
      continue;
    }
    if (run.length > 1) {
      found.push(run);
    }
    run = [];
  }
  if (run.length > 1) {
    found.push(run);
  }
  return found;
}

/** Metres between two points of the picture; `null` at the horizon. */
export function metresBetween({image, ground_m: ground}, one, two) {
  const matrix = homography(image, ground);
  const [a, b] = matrix ? [mapped(matrix, one), mapped(matrix, two)] : [null, null];
  return a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : null;
}

const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);

/** What is wrong with a calibration, in a sentence; `null` where nothing is. The server asks the same. */
export function calibrationFault({image, ground_m: ground}) {
  if (ground.flat().some((value) => !Number.isFinite(value))) {
    return 'A number of metres is missing.';
  }
  const corners = [
    [1, 2, 3],
    [0, 2, 3],
    [0, 1, 3],
    [0, 1, 2],
  ];
  const turns = (points) => corners.map((corner) => turn(...corner.map((index) => points[index])));
  const [seen, real] = [turns(image), turns(ground)];
  if ([...seen, ...real].some((value) => Math.abs(value) < 1e-6)) {
    return 'Three of the points lie on one line: nothing can be measured so.';
  }
  const products = seen.map((value, index) => value * real[index]);
  return products.every((value) => value > 0) || products.every((value) => value < 0)
    ? null
    : 'No camera sees these ground points so: bring both lists into the same order.';
}
