/** Numbers and times as people read them. Pure functions. */

const NUMBER = new Intl.NumberFormat('en', {maximumFractionDigits: 1});
const WHOLE = new Intl.NumberFormat('en', {maximumFractionDigits: 0});

/** 1234.5 → "1,234.5"; nothing → "–". */
export function number(value, digits = 1) {
  if (value === null || value === undefined || Number.isNaN(value)) {
    return '–';
  }
  return digits === 0 ? WHOLE.format(value) : digits === 1 ? NUMBER.format(value) : value.toFixed(digits);
}

/** A percentile of a time: where nothing was measured of late, the site says 0, and that is no time. */
export const measured = (value) => value || null;

/** Milliseconds: 8.31 → "8.3 ms", 1520 → "1.52 s"; nothing measured → "–". */
export function milliseconds(value) {
  if (!measured(value)) {
    return '–';
  }
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

/** Megabytes: 751.3 → "751 MB". */
export const megabytes = (value) => (value === null || value === undefined ? '–' : `${number(value, 0)} MB`);

/** Bytes with a decimal unit. */
export function bytes(value) {
  if (value === null || value === undefined) {
    return '–';
  }
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let step = 0;
  let left = value;
  while (left >= 1000 && step < units.length - 1) {
    left /= 1000;
    step += 1;
  }
  return `${step === 0 ? left : left.toFixed(left >= 100 ? 0 : 1)} ${units[step]}`;
}

/** Seconds as "2 d 3 h", "3 h 12 min", "12 min 5 s". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) {
    return '–';
  }
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days) {
    return `${days} d ${hours} h`;
  }
  if (hours) {
    return `${hours} h ${minutes} min`;
  }
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const DAY = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short'});
const FULL = new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'medium'});

/** In which time zone moments are written: the browser's. */
export const zoned = () => `Times are those of ${new Intl.DateTimeFormat().resolvedOptions().timeZone}, as in this browser.`;

/** Unix seconds → "14:03:22", with the day before it unless it is today. */
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const clock = CLOCK.format(date);
  return date.toDateString() === new Date().toDateString() ? clock : `${DAY.format(date)}, ${clock}`;
}

/** Unix seconds → "26 Nov 2025, 14:03:22". */
export function fullMoment(seconds) {
  return FULL.format(new Date(seconds * 1000));
}

/** A value of an event's data or of a rule's state: short, never "[object Object]". */
export function scalar(value) {
  if (typeof value === 'number') {
    return Number.isInteger(value) ? WHOLE.format(value) : String(Math.round(value * 1000) / 1000);
  }
  if (typeof value === 'boolean') {
    return value ? 'yes' : 'no';
  }
  if (value === null || value === undefined) {
    return '–';
  }
  if (typeof value === 'object') {
    return JSON.stringify(value);
  }
  return String(value);
}

/** State of a rule in one line: `{line: 'road', in: {car: 3}}` → "line road · in car 3". */
export function stateLine(state, most = 12) {
  const parts = [];
  const walk = (name, value) => {
    if (value === null || value === undefined || value === '') {
      return;
    }
    if (typeof value !== 'object') {
      parts.push(`${words(name)} ${scalar(value)}`);
      return;
    }
    if (Array.isArray(value)) {
      parts.push(
        `${words(name)} ${value.length && typeof value[0] === 'object' ? `${value.length}` : value.map(scalar).join(', ') || 'none'}`,
      );
      return;
    }
    for (const [key, one] of Object.entries(value)) {
      walk(name ? `${name} ${key}` : key, one);
    }
  };
  walk('', Object.fromEntries(Object.entries(state ?? {}).filter(([name]) => name !== 'kind')));
  return parts.length > most ? `${parts.slice(0, most).join(' · ')} …` : parts.join(' · ');
}

/** `line_crossing` → "line crossing". */
export function words(name) {
  return String(name ?? '').replaceAll('_', ' ');
}

/** What the site says, to stand alone: a capital where it begins with a word, and a full stop. */
export function sentence(text) {
  const begun = text.replace(/^[a-z]+(?=\s)/, (word) => word[0].toUpperCase() + word.slice(1));
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

const PLAIN = {
  at_pts_s: 'happened at (media time)',
  since_pts_s: 'since (media time)',
  entered_pts_s: 'entered at (media time)',
  left_pts_s: 'left at (media time)',
  lasted_s: 'lasted',
  stopped_s: 'stood still for',
  wait_s: 'waited',
  previous_s: 'state before lasted',
  turnover_s: 'seated until free',
  dwell_time_sec: 'stayed',
  seconds: 'time',
  metres: 'distance',
  least_m: 'least distance',
  max_kmh: 'highest speed',
  heading_deg: 'heading',
  heights: 'way, in heights of the box',
  previous: 'state before',
  before: 'level before',
  occupancy: 'in the zone then',
  tripwire_crossings: 'crossings of the rule so far',
  total: 'so far',
  vehicle_id: 'track of the vehicle',
  vehicle_label: 'vehicle',
  people_per_m2: 'people per m²',
  vehicles_per_100m: 'vehicles per 100 m',
  frame_time: 'time is the frame’s',
};
const UNITS = [
  [/^(?:seconds|dwell_time_sec)$|_s$/, 's'],
  [/^metres$|(?<!per_\d*)_m$/, 'm'],
  [/_kmh$/, 'km/h'],
  [/_deg$/, '°'],
];
const WORDS = new Set(['action', 'state', 'previous', 'level', 'before', 'ended_by']);

/** A value of an event's data as people read it: `speed_kmh`, 43.21 → `['speed', '43.21 km/h']`. */
export function labelled(name, value) {
  const unit = typeof value === 'number' ? UNITS.find(([pattern]) => pattern.test(name))?.[1] : null;
  const label = PLAIN[name] ?? words(unit ? name.replace(/_(?:s|m|kmh|deg)$/, '') : name);
  const said = WORDS.has(name) ? words(value) : scalar(value);
  return [label, unit ? `${said} ${unit}` : said];
}

/** Data of an event in one line; what is said elsewhere is left out. */
export function dataLine(data, without = []) {
  return Object.entries(data ?? {})
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => labelled(name, value).join(' '))
    .join(' · ');
}
