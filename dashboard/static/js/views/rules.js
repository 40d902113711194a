/** Scenario and rules of a camera: presets, and rules of its own in forms made from their schemas. */

import {get, part, put} from '../lib/api.js';
import {button, card, field, h, replace, say, select, table, takeAway, turnOff} from '../lib/dom.js';
import {faultsOf, stepsBelow, withPlace} from '../lib/faults.js';
import {stateLine, words} from '../lib/format.js';
import {on} from '../lib/live.js';
import {done, failed} from '../lib/notice.js';
import {schemaForm} from '../parts/schema-form.js';

/** The editor; what the model cannot do is said where it is chosen. */
export async function rulesEditor(camera, file, {signal, router}) {
  const [schemas, presets] = await Promise.all([
    get('/api/schema/rules', signal),
    get('/api/schema/scenarios', signal),
  ]);
  const reason = file.whyNot(camera.name);
  const own = {camera, file, signal, schemas, presets, locked: reason !== null, edits: 0, saved: 0, forms: []};
  own.unsaved = () => own.edits !== own.saved;
  own.inForce = h('div');
  own.list = h('div', {class: 'rule-list'});
  own.about = h('div', {class: 'hint'});
  own.state = h('span', {class: 'hint', role: 'status'});
  own.faults = h('div', {role: 'alert'});
  own.choice = select(scenarioOptions(own), '', {
    disabled: own.locked,
    onchange: () => {
      tellScenario(own);
      touch(own);
    },
  });
  own.save = button('Save', {kind: 'first', disabled: true, onclick: () => store(own).catch(failed)});
  const undo = file.undoButton(() => fill(own), own.unsaved);
  router.guard(own.unsaved, 'Leave without saving the rules?', signal);
  on('config', (said) => heard(own, said).catch(failed), signal);
  await fill(own);
  const note = own.locked ? h('p', {class: 'note', role: 'status'}, reason) : null;
  return h(
    'div',
    {class: 'split'},
    h(
      'div',
      {class: 'large'},
      h('div', {class: 'tools'}, h('span', {class: 'grow'}), own.state, undo, own.save),
      note,
      own.faults,
      card('Scenario', field('Preset', own.choice), own.about),
      card(
        'Rules of this camera',
        h('p', {class: 'hint'}, 'They come on top of the scenario’s; one of the same name takes its place.'),
        own.list,
        adder(own),
      ),
    ),
    h('div', {class: 'side'}, card('In force', own.inForce)),
  );
}

function adder(own) {
  const kinds = Object.keys(own.schemas).sort();
  const kind = select(
    kinds.map((name) => [name, words(name)]),
    kinds[0],
    {disabled: own.locked, 'aria-label': 'Kind of the new rule'},
  );
  own.kind = kind; // where the focus goes when no rule is left
  const add = button('Add rule', {
    name: 'plus',
    disabled: own.locked,
    onclick: () => {
      addRule(own, {kind: kind.value}, true);
      touch(own);
    },
  });
  return h('div', {class: 'row'}, kind, add);
}

function scenarioOptions(own) {
  const {scenario: written} = own.file.written(own.camera.name) ?? own.camera;
  const known = own.presets.map((one) => [one.name, one.title ? `${words(one.name)}: ${one.title}` : words(one.name)]);
  const isOther = written && !own.presets.some((one) => one.name === written);
  const other = isOther ? [[written, written.includes('${') ? written : `file ${written}`]] : [];
  return [['', 'none'], ...known, ...other];
}

/** Show what is in the file. */
async function fill(own) {
  own.written = own.file.written(own.camera.name) ?? own.written ?? own.file.inForce(own.camera.name) ?? own.camera;
  const {written} = own;
  replace(
    own.choice,
    scenarioOptions(own).map(([value, title]) => h('option', {value}, title)),
  );
  own.choice.value = written.scenario ?? '';
  own.forms = [];
  own.list.replaceChildren();
  for (const rule of written.rules ?? []) {
    addRule(own, rule, false);
  }
  own.saved = own.edits;
  turnOff(own.save);
  own.faults.replaceChildren();
  say(own.state, '');
  tellScenario(own);
  await showInForce(own);
}

function touch(own) {
  own.edits += 1;
  turnOff(own.save, own.locked || Boolean(own.saving));
  own.faults.replaceChildren();
  say(own.state, 'Not saved yet');
}

/** What the chosen preset brings; each of its rules can be taken over as one of the camera's own, to be changed. */
function tellScenario(own) {
  const scenario = own.presets.find((one) => one.name === own.choice.value);
  if (!scenario) {
    replace(
      own.about,
      h('p', null, otherScenario(own.choice.value)),
    );
    return;
  }
  const missing = scenario.missing_labels[own.camera.name] ?? [];
  const lacking = missing.length
    ? h(
        'p',
        {class: 'warn'},
        `The model of this camera does not know ${missing.join(', ')}: rules that need ${missing.length > 1 ? 'them' : 'it'} are off.`,
      )
    : null;
  replace(
    own.about,
    lacking,
    table(
      'Rules of the preset',
      ['Rule', 'Settings', ''],
      scenario.rules.map((rule) => presetRow(own, rule)),
    ),
  );
}

function otherScenario(name) {
  if (name.includes('${')) {
    return 'The environment says which.';
  }
  return name ? 'A scenario file of this site.' : 'Only the rules below apply.';
}

function presetRow(own, rule) {
  const {kind, labels, optional, name, ...settings} = rule;
  const adjust = button('Adjust', {
    kind: 'quiet',
    disabled: own.locked,
    'aria-label': `Adjust ${words(name ?? kind)}`,
    onclick: () => {
      addRule(own, {...rule}, true);
      touch(own);
    },
  });
  const said = [stateLine(settings), labels ? `for ${labels.join(', ')}` : '', optional ? 'where it can' : '']
    .filter(Boolean)
    .join(' · ');
  return [words(name ?? kind), h('span', {class: 'hint'}, said), adjust];
}

function addRule(own, rule, open) {
  const schema = own.schemas[rule.kind];
  const title = h('strong', null, words(rule.name ?? rule.kind));
  const sub = h('span', {class: 'hint'}, rule.name ? words(rule.kind) : (rule.line ?? rule.zone ?? ''));
  const choices = {
    lines: Object.keys(own.written.lines ?? {}),
    zones: Object.keys(own.written.zones ?? {}),
    labels: own.camera.model_labels?.length ? own.camera.model_labels : (own.camera.labels ?? []),
  };
  const form = schema
    ? schemaForm(schema, rule, choices, {skip: ['kind'], locked: own.locked, changed: () => touch(own)})
    : {
        element: h('p', {class: 'fault'}, `There is no kind ${rule.kind}.`),
        value: () => rule,
        invalid: () => false,
        toFault: () => {},
        fault: () => false,
      };
  const entry = {rule, form};
  const element = h(
    'details',
    {class: 'rule', open},
    h('summary', null, title, ' ', sub),
    schema?.description ? h('p', {class: 'hint'}, schema.description.split('\n')[0]) : null,
    form.element,
    h(
      'div',
      {class: 'row end'},
      button('Remove this rule', {
        name: 'trash',
        kind: 'quiet',
        disabled: own.locked,
        onclick: () => {
          own.forms = own.forms.filter((one) => one !== entry);
          const summary = (one) => one?.querySelector('summary');
          const {nextElementSibling: next, previousElementSibling: before} = element;
          takeAway(element, summary(next), summary(before), own.kind);
          touch(own);
        },
      }),
    ),
  );
  entry.element = element;
  own.forms.push(entry);
  own.list.append(element);
  if (open) {
    element.querySelector('select, input')?.focus();
  }
}

/** The site took the file over, or says why not. */
async function heard(own, said) {
  if (!own.file.isSettledBy(said)) {
    return;
  }
  const text = own.unsaved() ? 'Not saved yet' : own.file.outcome(said);
  say(own.state, said.reload_error ? `Not taken over: ${said.reload_error}` : text);
  await showInForce(own);
}

async function showInForce(own) {
  const {rules} = await get(`/api/cameras/${part(own.camera.name)}/rules`, own.signal);
  replace(
    own.inForce,
    rules.length
      ? table(
          'Rules in force',
          ['Rule', 'State'],
          rules.map((rule) => [
            h('span', null, h('strong', null, words(rule.name)), h('br'), h('span', {class: 'hint'}, words(rule.kind))),
            rule.off_reason
              ? h('span', {class: 'warn'}, `off: ${rule.off_reason}`)
              : h('span', {class: 'hint'}, stateLine(rule.state) || 'on'),
          ]),
        )
      : h('p', {class: 'empty'}, 'No rule is in force.'),
  );
}

async function store(own) {
  own.faults.replaceChildren();
  const bad = own.forms.find((entry) => entry.form.invalid());
  if (bad) {
    bad.element.open = true;
    bad.form.toFault();
    return;
  }
  const sent = own.edits; // what is written while it is being saved is not saved
  own.saving = true;
  turnOff(own.save);
  const rules = own.forms.map((entry) => ({kind: entry.rule.kind, ...entry.form.value()}));
  const path = `/api/cameras/${part(own.camera.name)}/scenario`;
  try {
    const answer = await own.file.save((revision) => put(path, {revision, scenario: own.choice.value || null, rules}));
    if (answer === 'saved') {
      own.saved = sent;
      say(own.state, own.unsaved() ? 'Saved; what was changed since is not saved yet' : own.file.note);
      done('Saved into the site file.');
    } else if (answer === 'theirs') {
      await fill(own);
    }
  } catch (error) {
    refused(own, error);
  } finally {
    own.saving = false;
    turnOff(own.save, own.locked || !own.unsaved());
  }
}

/** Faults of the server at the field they are about; what is about anything else stands above with its place. */
function refused(own, error) {
  say(own.state, 'Not saved');
  const left = [];
  for (const fault of faultsOf(error)) {
    const [kind, index, key] = stepsBelow(fault.path, own.camera.name) ?? [];
    const entry = kind === 'rules' ? own.forms[Number(index)] : null;
    if (entry) {
      entry.element.open = true;
    }
    if (!entry || !key || !entry.form.fault(key, fault.message)) {
      left.push(withPlace(fault));
    }
  }
  replace(
    own.faults,
    left.map((text) => h('p', {class: 'fault'}, text)),
  );
}
