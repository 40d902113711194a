/** What the server finds wrong, at the place that it is about. */

/**
 * The keys below a camera that a fault is about: `['rules', '1', 'seconds']`.
 * @param path As `cameras.gate.rules[1].seconds` of a file, or `rules.1.seconds` of what was sent.
 * @returns `null` where it is about something else, another camera say.
 */
export function stepsBelow(path, camera) {
  const steps = String(path ?? '')
    .split(/[.[\]]+/)
    .filter(Boolean);
  if (steps[0] !== 'cameras') {
    return steps;
  }
  return steps[1] === camera ? steps.slice(2) : null;
}

/** A fault with its place, for where nothing else tells it. */
export function withPlace({path, message}) {
  return path ? `${path}: ${message}` : message;
}

/** All that an answer finds wrong, as `{path, message}`. */
export function faultsOf(error) {
  return error.faults?.length ? error.faults : [{path: error.path, message: error.message}];
}

/**
 * The shapes that faults are about, by name; the calibration as `calibration`.
 * @returns `{faulty, left}`: messages by shape, and sentences about anything else.
 */
export function atShapes(faults, camera, names) {
  const faulty = new Map();
  const left = [];
  for (const fault of faults) {
    const [kind, name] = stepsBelow(fault.path, camera) ?? [];
    const isShape = ['lines', 'zones'].includes(kind) && names.includes(name);
    if (isShape || kind === 'calibration') {
      faulty.set(isShape ? name : kind, fault.message);
    } else {
      left.push(withPlace(fault));
    }
  }
  return {faulty, left};
}
