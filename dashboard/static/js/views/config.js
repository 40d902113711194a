/** The site file as text: checked before it is written, faults at their lines; and what is in force, secrets masked. */

import {post, put} from '../lib/api.js';
import {button, card, h, replace, say} from '../lib/dom.js';
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
  const own = {file, signal, written: file.config.text ?? ''};
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
    },
    own.written,
  );
  own.faults = h('ul', {class: 'plain', role: 'alert'});
  own.state = h('span', {class: 'hint', role: 'status'});
  own.value = h('pre', {class: 'code', tabindex: '0', 'aria-label': 'Configuration in force'});
  on('config', (said) => takenOver(own, said), signal);
  router.guard(() => own.text.value === own.written || confirm('Leave without saving the file?'), signal);
  const note = file.reason ? h('p', {class: 'note', role: 'status'}, file.reason) : null;
  const element = h(
    'div',
    null,
    card('Site file', note, toolbar(own), own.faults, own.text),
    card(null, h('details', null, h('summary', null, 'In force, with every default; secrets masked'), own.value)),
  );
  shown(own);
  return element;
}

function toolbar(own) {
  const {file, signal} = own;
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
    file.undoButton(async () => take(own), signal),
    check,
    own.save,
  );
}

async function takenOver(own, said) {
  say(own.state, said.reload_error ? `Not taken over: ${said.reload_error}` : 'In force');
  await own.file.load(own.signal).catch(() => {});
  own.value.textContent = JSON.stringify(own.file.config?.in_force ?? null, null, 2);
}

function shown(own) {
  own.value.textContent = JSON.stringify(own.file.config?.in_force ?? null, null, 2);
  if (own.file.config?.reload_error) {
    say(own.state, `Not taken over: ${own.file.config.reload_error}`);
  }
}

function bar(own) {
  own.save.disabled = own.file.reason !== null || own.text.value === own.written;
  own.faults.replaceChildren();
  say(own.state, own.text.value === own.written ? '' : 'Not saved yet');
}

function tell(own, faults) {
  replace(
    own.faults,
    faults.map((one) =>
      h(
        'li',
        {class: 'fault'},
        one.line ? button(`Line ${one.line}`, {kind: 'quiet', onclick: () => goTo(own, one.line)}) : null,
        h('span', null, one.path && !one.message?.includes(one.path) ? `${one.path}: ${one.message}` : one.message),
      ),
    ),
  );
}

function goTo(own, line) {
  const lines = own.text.value.split('\n');
  const from = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
  own.text.focus();
  own.text.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
  own.text.scrollTop = Math.max(0, (line - 5) * (own.text.scrollHeight / lines.length));
}

async function validate(own) {
  const said = await post('/api/config/validate', {revision: own.file.revision, text: own.text.value});
  tell(own, said.faults ?? []);
  say(own.state, said.ok ? 'No fault found' : `${said.faults.length} ${said.faults.length === 1 ? 'fault' : 'faults'}`);
}

async function save(own) {
  own.save.disabled = true;
  try {
    const answer = await own.file.save((revision) => put('/api/config', {revision, text: own.text.value}));
    if (answer === 'stay') {
      own.save.disabled = false;
      return;
    }
    take(own);
    if (answer === 'saved') {
      done('Saved; being taken over.');
    }
  } catch (error) {
    own.save.disabled = false;
    tell(own, error.faults.length ? error.faults : [{message: error.message}]);
    say(own.state, 'Not saved');
  }
}

/** Show what is in the file now. */
function take(own) {
  own.written = own.file.config?.text ?? '';
  own.text.value = own.written;
  bar(own);
  shown(own);
}
