/** The site file as text: checked before it is written, faults at their lines; and what is in force, secrets masked. */

import {post, put} from '../lib/api.js';
import {button, card, h, replace, say, turnOff} from '../lib/dom.js';
import {on} from '../lib/live.js';
import {done, failed} from '../lib/notice.js';
import {may} from '../lib/session.js';
import {SiteFile} from '../parts/saving.js';

/** The file and what is in force. */
export async function configCard({signal, router}) {
  const file = await new SiteFile().load(signal);
  if (!file.config) {
    return card('Configuration', h('p', {class: 'empty'}, file.reason));
  }
  // `shown`: the revision whose placeholders stand in the text; `file.revision` is the one it is to take the place of
  const own = {file, signal, shown: file.revision};
  own.text = h(
    'textarea',
    {
      class: 'code',
      rows: 28,
      spellcheck: 'false',
      wrap: 'off',
      'aria-label': 'The site file',
      readonly: file.reason !== null,
      oninput: () => bar(own),
      onscroll: () => follow(own),
    },
    file.config.text ?? '',
  );
  own.numbers = h('pre', {class: 'line-numbers', 'aria-hidden': 'true'});
  own.wrong = new Set();
  own.written = own.text.value;
  own.unsaved = () => own.text.value !== own.written;
  own.faults = h('div', {role: 'alert'});
  own.state = h('span', {class: 'hint', role: 'status'});
  own.value = h('pre', {class: 'code', tabindex: '0', 'aria-label': 'Configuration in force'});
  on('config', (said) => takenOver(own, said).catch(failed), signal);
  router.guard(own.unsaved, 'Leave without saving the file?', signal);
  const note = file.reason ? h('p', {class: 'note', role: 'status'}, file.reason) : null;
  const element = h(
    'div',
    null,
    card('Site file', note, toolbar(own), own.faults, h('div', {class: 'numbered'}, own.numbers, own.text)),
    card(null, h('details', null, h('summary', null, 'In force, with every default; secrets masked'), own.value)),
  );
  number(own);
  shown(own);
  return element;
}

/** A number beside each line, those with a fault marked. */
function number(own) {
  const count = own.text.value.split('\n').length;
  const shape = `${count} ${[...own.wrong]}`;
  if (own.shape === shape) {
    return;
  }
  own.shape = shape;
  const line = (at) => (own.wrong.has(at) ? h('b', null, `${at}\n`) : `${at}\n`);
  own.numbers.replaceChildren(...Array.from({length: count}, (_, at) => line(at + 1)));
  follow(own);
}

/** The numbers stand where their lines are. */
function follow(own) {
  own.numbers.scrollTop = own.text.scrollTop;
}

function toolbar(own) {
  const {file} = own;
  const reread = () => post('/api/reload', {}).then(() => done('The site file is being read again.'));
  own.save = button('Save', {kind: 'first', disabled: true, onclick: () => save(own).catch(failed)});
  const check = button('Check', {disabled: !may('configure'), onclick: () => validate(own).catch(failed)});
  const reload = button('Reload', {name: 'reload', disabled: !may('configure'), onclick: () => reread().catch(failed)});
  return h(
    'div',
    {class: 'row'},
    h('code', {class: 'hint'}, file.config.file ?? ''),
    h('span', {class: 'grow'}),
    own.state,
    reload,
    file.undoButton(async () => take(own), own.unsaved),
    check,
    own.save,
  );
}

/** What is in force has changed. The text stays what it was made from, unless nobody has changed it. */
async function takenOver(own, said) {
  await own.file.look(own.signal);
  if (own.file.config && !own.unsaved() && !own.saving && own.file.config.revision !== own.file.revision) {
    own.file.revision = own.file.config.revision;
    take(own);
  }
  shown(own);
  if (own.file.isSettledBy(said)) {
    const text = own.unsaved() ? 'Not saved yet' : own.file.outcome(said);
    say(own.state, said.reload_error ? `Not taken over: ${said.reload_error}` : text);
  }
}

function shown(own) {
  own.value.textContent = JSON.stringify(own.file.config?.in_force ?? null, null, 2);
  if (own.file.config?.reload_error) {
    say(own.state, `Not taken over: ${own.file.config.reload_error}`);
  }
}

function bar(own) {
  turnOff(own.save, own.file.reason !== null || !own.unsaved() || Boolean(own.saving));
  own.faults.replaceChildren();
  own.wrong.clear();
  number(own);
  say(own.state, own.unsaved() ? 'Not saved yet' : '');
}

function tell(own, faults) {
  const row = (one) =>
    h(
      'li',
      {class: 'fault'},
      one.line ? button(`Line ${one.line}`, {kind: 'quiet', title: 'Go to this line', onclick: () => goTo(own, one.line)}) : null,
      h('span', null, one.path && !one.message?.includes(one.path) ? `${one.path}: ${one.message}` : one.message),
    );
  replace(own.faults, faults.length ? h('ul', {class: 'plain'}, faults.map(row)) : null);
  own.wrong = new Set(faults.map((one) => one.line).filter(Boolean));
  number(own);
}

function goTo(own, line) {
  const lines = own.text.value.split('\n');
  const from = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
  own.text.focus();
  own.text.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
  own.text.scrollTop = Math.max(0, (line - 5) * (own.text.scrollHeight / lines.length));
}

async function validate(own) {
  const {revision} = own.file;
  const said = await post('/api/config/validate', {revision, shown: own.shown, text: whole(own)});
  tell(own, said.faults ?? []);
  say(own.state, said.ok ? 'No fault found' : `${said.faults.length} ${said.faults.length === 1 ? 'fault' : 'faults'}`);
}

async function save(own) {
  const [sent, text] = [own.text.value, whole(own)];
  own.saving = true;
  turnOff(own.save);
  try {
    const send = (revision) => put('/api/config', {revision, shown: own.shown, text});
    const answer = await own.file.save(send, true);
    if (answer === 'saved') {
      saved(own, sent);
    } else if (answer === 'theirs') {
      take(own);
    }
  } catch (error) {
    tell(own, error.faults?.length ? error.faults : [{message: error.message}]);
    say(own.state, 'Not saved');
  } finally {
    own.saving = false;
    turnOff(own.save, own.file.reason !== null || !own.unsaved());
  }
}

/** What was sent is in the file; what was written meanwhile is not. */
function saved(own, sent) {
  const {config, revision} = own.file;
  if (own.text.value === sent && config?.revision === revision) {
    take(own);
  } else {
    own.written = sent;
    tell(own, []);
    shown(own);
  }
  say(own.state, own.unsaved() ? 'Saved; what was written since is not saved yet' : own.file.note);
  done('Saved into the site file.');
}

/** A text as a textarea holds it. */
const plain = (text) => text.replaceAll('\r\n', '\n');

/** What is written, with the ends of lines that the file has. */
const whole = (own) =>
  own.file.config?.text?.includes('\r\n') ? own.text.value.replaceAll('\n', '\r\n') : own.text.value;

/** Show what is in the file now. */
function take(own) {
  const text = own.file.config?.text ?? '';
  if (own.text.value !== plain(text)) {
    own.text.value = text;
  }
  own.written = own.text.value;
  own.shown = own.file.revision;
  bar(own);
  shown(own);
}
