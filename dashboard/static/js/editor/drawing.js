/** What is drawn over a camera's picture, with undo: values that never change, and functions that make the next one. */

import {faultOf, nameFault, within} from './plane.js';

const MOST_STEPS = 200;

/**
 * A drawing: `{items, calibration}`.
 * An item is `{id, kind, name, points}` with kind 'line' or 'zone'; a calibration is `{image, ground_m}` or `null`.
 */
export function drawingOf(camera, points) {
  const items = [
    ...Object.entries(camera.lines ?? {}).map(([name, place]) => ({kind: 'line', name, points: points(place)})),
    ...Object.entries(camera.zones ?? {}).map(([name, place]) => ({kind: 'zone', name, points: points(place)})),
  ].map((item, index) => ({...item, id: index + 1}));
  const own = camera.calibration;
  return {items, calibration: own ? {image: own.image, ground_m: own.ground_m} : null};
}

/** The drawing as the server takes it. */
export function geometryOf(drawing) {
  const places = (kind) =>
    Object.fromEntries(drawing.items.filter((item) => item.kind === kind).map((item) => [item.name, item.points]));
  return {lines: places('line'), zones: places('zone'), calibration: drawing.calibration};
}

/** The drawing with another item in place of the one with its id, or added. */
export function withItem(drawing, item) {
  const known = drawing.items.some((one) => one.id === item.id);
  return {
    ...drawing,
    items: known ? drawing.items.map((one) => (one.id === item.id ? item : one)) : [...drawing.items, item],
  };
}

/**
 * Names of lines and zones that no rule looks at.
 * @param written The camera as it is in the file; with a scenario, whose rules are not in it, none is told.
 */
export function unwatched(items, written) {
  if (!written || written.scenario) {
    return [];
  }
  const looks = ({kind, name}, [key, value]) =>
    [value].flat().some((one) => one === name || (key.startsWith(kind) && typeof one === 'string' && fits(one, name)));
  return items
    .filter((item) => !(written.rules ?? []).some((rule) => Object.entries(rule).some((pair) => looks(item, pair))))
    .map((item) => item.name);
}

/** Whether a name fits a pattern such as `lane_*`. */
const fits = (pattern, name) =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(name);

/** The drawing without an item. */
export const withoutItem = (drawing, id) => ({...drawing, items: drawing.items.filter((item) => item.id !== id)});

/** An item with a point moved; it stays within the picture. */
export const withPoint = (item, index, point) => ({
  ...item,
  points: item.points.map((one, at) => (at === index ? within(point) : one)),
});

/** An item moved as a whole; it stays within the picture. */
export function shifted(item, dx, dy) {
  const [xs, ys] = [item.points.map(([x]) => x), item.points.map(([, y]) => y)];
  const x = Math.min(1 - Math.max(...xs), Math.max(-Math.min(...xs), dx));
  const y = Math.min(1 - Math.max(...ys), Math.max(-Math.min(...ys), dy));
  return {...item, points: item.points.map(([px, py]) => within([px + x, py + y]))};
}

/** A zone with a corner more, in the middle of the side behind `index`. */
export function withCorner(item, index) {
  const [[ax, ay], [bx, by]] = [item.points[index], item.points[(index + 1) % item.points.length]];
  return {...item, points: item.points.toSpliced(index + 1, 0, within([(ax + bx) / 2, (ay + by) / 2]))};
}

/** A zone with a corner less, or the same where three are left. */
export const withoutCorner = (item, index) =>
  item.points.length > 3 ? {...item, points: item.points.toSpliced(index, 1)} : item;

/** A line from B to A: what was `in` is `out`. */
export const turned = (item) => ({...item, points: item.points.toReversed()});

/** What is wrong, by item id: `{name, points}` with a sentence or `null` each; only items with a fault are there. */
export function faults(drawing, cameraNames) {
  const found = new Map();
  for (const item of drawing.items) {
    const others = [...drawing.items.filter((one) => one.id !== item.id).map((one) => one.name), ...cameraNames];
    const [name, points] = [nameFault(item.name, others), faultOf(item.kind, item.points)];
    if (name || points) {
      found.set(item.id, {name, points});
    }
  }
  return found;
}

/** Steps that can be undone and done again, the last 200 of them. */
export class Steps {
  constructor(first) {
    this.reset(first);
  }

  /** Begin anew. */
  reset(first) {
    this.past = [];
    this.now = first;
    this.future = [];
    this.saved = first;
  }

  /** Take the next one. Steps with the same `tag` in a row (a drag, a name being typed) are one. */
  take(next, tag = null) {
    if (next === this.now) {
      return;
    }
    if (tag === null || tag !== this.tag) {
      this.past.push(this.now);
      if (this.past.length > MOST_STEPS) {
        this.past.shift();
      }
    }
    this.tag = tag;
    this.now = next;
    this.future = [];
  }

  /** The next step is one of its own, whatever its tag. */
  settle() {
    this.tag = null;
  }

  undo() {
    this.#move(this.past, this.future);
  }

  redo() {
    this.#move(this.future, this.past);
  }

  get changed() {
    return this.now !== this.saved;
  }

  #move(from, to) {
    if (!from.length) {
      return;
    }
    to.push(this.now);
    this.now = from.pop();
    this.tag = null;
  }
}
