/** The switch of a camera's runtime, with the figures of before beside those of now. */

import {part, put} from '../lib/api.js';
import {button, card, field, h, isOff, replace, rewrite, say, select, table, turnOff} from '../lib/dom.js';
import {chart, colour} from '../lib/chart.js';
import {megabytes, milliseconds, moment, number} from '../lib/format.js';
import {live, on} from '../lib/live.js';
import {done, failed} from '../lib/notice.js';

const SHOWN = 300; // samples, one a second

/** `own` is `{all, runtimes, file, signal}`: cameras, runtimes, the site file. */
export function runtimeSwitch({all, runtimes, file, signal}) {
  const own = {all, runtimes, file, signal, locked: file.reason !== null, mark: null};
  own.camera = select(
    all.map((one) => one.name),
    all[0]?.name,
    {onchange: () => begin(own), disabled: own.locked, name: 'camera'},
  );
  own.runtime = select(runtimes.map(option), '', {
    onchange: () => showPrecisions(own),
    disabled: own.locked,
    name: 'runtime',
  });
  own.precision = h('select', {disabled: own.locked, name: 'precision'});
  own.said = h('p', {class: 'fault', role: 'alert', hidden: true});
  own.progress = h('p', {class: 'note', role: 'status', hidden: true});
  own.before = h('div', {class: 'before-now'});
  own.apply = button('Switch', {kind: 'first', disabled: own.locked, onclick: () => apply(own)});
  const options = {height: 140, empty: 'Waiting for figures …'};
  own.pace = chart('Frames per second of the camera, the last minutes', {...options, unit: 'FPS'}, signal);
  own.delay = chart(
    'Milliseconds from capture to result of the camera, the last minutes',
    {...options, unit: 'ms'},
    signal,
  );
  begin(own);
  on('stats', () => show(own), signal);
  on('config', (heard) => takenOver(own, heard).catch(failed), signal);
  const undo = file.undoButton(
    (answer) => undone(own, answer),
    () => false,
  );
  return card(
    'Switch the runtime of a camera',
    own.locked ? h('p', {class: 'note', role: 'status'}, file.reason) : null,
    h(
      'div',
      {class: 'row form-bar'},
      field('Camera', own.camera),
      field('Runtime', own.runtime),
      field('Precision', own.precision),
      h('span', {class: 'grow'}),
      undo,
      own.apply,
    ),
    whyNot(runtimes),
    own.progress,
    own.said,
    own.before,
    h(
      'div',
      {class: 'charts'},
      h('div', null, h('h3', null, 'Frames per second, the last minutes'), own.pace.element),
      h('div', null, h('h3', null, 'Capture to result p95, the last minutes'), own.delay.element),
    ),
  );
}

const option = (one) => [
  one.name,
  one.installed ? one.name : `${one.name} (not here)`,
  !one.installed,
];

/** Why some runtimes cannot be chosen: too long for the choice itself. */
function whyNot(runtimes) {
  const missing = runtimes.filter((one) => !one.installed);
  const rows = missing.map((one) => h('li', null, h('strong', null, one.name), `: ${one.reason || 'not installed'}`));
  return missing.length
    ? h(
        'details',
        {class: 'hint'},
        h('summary', null, `Why ${missing.map((one) => one.name).join(', ')} cannot be chosen`),
        h('ul', {class: 'plain'}, rows),
      )
    : null;
}

function showPrecisions(own) {
  const known = own.runtimes.find((one) => one.name === own.runtime.value)?.precisions ?? ['fp32'];
  const old = own.precision.value;
  replace(
    own.precision,
    known.map((name) => h('option', {value: name}, name)),
  );
  own.precision.value = known.includes(old) ? old : (known[0] ?? '');
}

/** Show what the chosen camera runs on now. */
function begin(own) {
  choose(own);
  own.mark = own.comparison = null;
  own.before.replaceChildren();
  show(own);
}

/** Choose what is in force; `base` is what was chosen so. */
function choose(own) {
  const name = detectorOf(own);
  const detector = own.file.config?.in_force?.detectors?.[name] ?? {};
  const stats = live.stats?.detectors?.[name];
  own.runtime.value = detector.runtime ?? stats?.framework ?? own.runtimes.find((each) => each.installed)?.name ?? '';
  showPrecisions(own);
  own.precision.value = detector.precision ?? stats?.precision ?? own.precision.value;
  own.base = chosen(own);
}

const chosen = (own) => ({runtime: own.runtime.value, precision: own.precision.value});
const isTouched = (own) => own.runtime.value !== own.base.runtime || own.precision.value !== own.base.precision;

/** The detector of the chosen camera: as it is in force, which a switch may have changed. */
function detectorOf(own) {
  const written = own.file.inForce(own.camera.value)?.detector;
  const named = Array.isArray(written) ? written[0] : written;
  return named ?? own.all.find((each) => each.name === own.camera.value)?.detectors?.[0];
}

function show(own) {
  const samples = live.samples.slice(-SHOWN);
  const of = (key) => samples.map((sample) => sample.cameras[own.camera.value]?.[key] ?? null);
  const times = samples.map((sample) => sample.t);
  own.pace.update(times, [{name: 'frames/s', values: of('fps'), colour: colour(0)}]);
  own.delay.update(times, [{name: 'p95', values: of('p95'), colour: colour(1)}]);
  if (own.mark) {
    compare(own, own.mark, snapshot(own));
  }
}

async function apply(own) {
  const {file} = own;
  turnOff(own.apply);
  own.said.hidden = true;
  const [camera, wanted] = [own.camera.value, chosen(own)];
  const change = isTouched(own) ? changes(own.base, wanted) : wanted;
  const then = snapshot(own);
  try {
    const answer = await file.save((revision) =>
      put(`/api/cameras/${part(camera)}/detector`, {revision, ...change}),
    );
    if (answer === 'saved') {
      own.mark = then;
      own.base = wanted;
      own.pending = {camera, wanted, before: then.runtime ?? 'the runtime of before'};
      tell(
        own,
        `${camera}: ${named(wanted)} is being loaded; ${own.pending.before} works until then. What was never used here is ` +
          'exported first, which may take minutes.',
      );
      done(`${camera}: saved into the site file.`);
      if (file.settled) {
        await ended(own, file.settled);
      }
    } else if (answer === 'theirs') {
      begin(own);
    }
  } catch (error) {
    complain(own, error.message);
  } finally {
    turnOff(own.apply, own.locked);
  }
}

/**
 * What is sent: the precision alone where the runtime stays, for the file may name another one by now, which is not in
 * force yet; with another runtime both, for the file's precision need not be the one that is shown.
 */
const changes = (base, wanted) => (wanted.runtime === base.runtime ? {precision: wanted.precision} : wanted);

function complain(own, text) {
  own.said.hidden = false;
  say(own.said, text);
}

const named = ({runtime, precision}) => `${runtime} ${precision}`;

function tell(own, text) {
  own.progress.hidden = false;
  say(own.progress, text);
}

async function takenOver(own, heard) {
  if (own.pending) {
    if (own.file.isSettledBy(heard)) {
      await ended(own, heard);
    }
    return;
  }
  if (heard.reload_error) {
    complain(own, heard.reload_error);
  } else if (own.said.textContent === own.notTaken) {
    own.said.hidden = true;
  }
  own.notTaken = heard.reload_error;
  await own.file.look(own.signal);
  showChosen(own);
}

/** The file is as it was before the last switch, or as somebody else has made it. */
async function undone(own, answer) {
  begin(own);
  own.progress.hidden = own.said.hidden = true;
  own.pending = null;
  if (answer !== 'saved') {
    return;
  }
  own.pending = {camera: own.camera.value, wanted: null, before: 'the runtime of now'};
  tell(own, 'The site file is as it was before; that is being taken over.');
  if (own.file.settled) {
    await ended(own, own.file.settled);
  }
}

/** What became of a switch, or of its undoing: it is in use, or why it is not. */
async function ended(own, {reload_error: error, note}) {
  const {camera, wanted, before} = own.pending;
  own.pending = null;
  await own.file.look(own.signal);
  if (error || note) {
    own.progress.hidden = true;
    const works = `${camera}: ${wanted ? named(wanted) : 'what was before'} is not in use, and ${before} works on`;
    complain(own, note ? `${works} until the next start: ${note}` : `${works}: ${error}`);
    own.notTaken = error;
  } else {
    const now = inUse(own, camera);
    const at = moment(Date.now() / 1000);
    tell(
      own,
      named(now) === named(wanted ?? now)
        ? `${camera}: ${named(now)} is in use now, since ${at}.`
        : `${camera}: the site file was changed again meanwhile, and ${named(now)} is in use now, since ${at}.`,
    );
  }
  showChosen(own);
}

/** Runtime and precision of a camera as they are in force; what was wanted where nobody can say. */
function inUse(own, camera) {
  const written = own.file.inForce(camera)?.detector;
  const name = Array.isArray(written) ? written[0] : written;
  const {runtime, precision} = own.file.config?.in_force?.detectors?.[name] ?? chosen(own);
  return {runtime, precision};
}

function showChosen(own) {
  if (own.file.config && !isTouched(own) && !isOff(own.apply)) {
    own.file.revision = own.file.config.revision;
    choose(own);
  }
}

function snapshot(own) {
  const {stats} = live;
  const [seen, model] = [stats?.cameras?.[own.camera.value] ?? {}, stats?.detectors?.[detectorOf(own)] ?? {}];
  return {
    runtime: model.framework ? named({runtime: model.framework, precision: model.precision}) : null,
    fps: seen.detection_fps,
    p50: model.inference_ms?.p50,
    p95: model.inference_ms?.p95,
    latency: seen.latency_ms?.p95,
    rss: stats?.service?.rss_mb,
    load: model.load_mb,
  };
}

const HEADS = ['', ['Before', 'number'], ['Now', 'number']];

function compare(own, before, now) {
  const row = (title, pick) => [title, pick(before), pick(now)];
  const rows = [
    row('Runtime', (one) => one.runtime),
    row('Frames/s of the camera', (one) => number(one.fps)),
    row('Inference p50', (one) => milliseconds(one.p50)),
    row('Inference p95', (one) => milliseconds(one.p95)),
    row('Capture to result p95', (one) => milliseconds(one.latency)),
    row('Memory by loading this detector', (one) => megabytes(one.load)),
    row('Memory of the whole process', (one) => megabytes(one.rss)),
  ];
  if (!own.comparison) {
    own.comparison = table('Before and now', HEADS, []);
    replace(own.before, own.comparison);
  }
  rewrite(own.comparison, HEADS, rows);
}
