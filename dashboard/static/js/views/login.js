/** The login: one password, and what the server says where it is wrong or comes too often. */

import {h, replace, say} from '../lib/dom.js';
import {login, session} from '../lib/session.js';

/** The form; `done()` is called once somebody is logged in. */
export function loginView(done, signal) {
  const password = h('input', {
    type: 'password',
    id: 'password',
    name: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const name = h('input', {
    type: 'text',
    name: 'username',
    value: 'operator',
    autocomplete: 'username',
    hidden: true,
    readonly: true,
  });
  const said = h('p', {class: 'fault', role: 'alert', hidden: true});
  const send = h('button', {class: 'button first', type: 'submit'}, 'Log in');
  const form = h(
    'form',
    {class: 'card login', 'aria-labelledby': 'login-title'},
    h('h1', {id: 'login-title'}, session.site ? `Log in to ${session.site}` : 'Log in'),
    name,
    h('label', {class: 'field', for: 'password'}, h('span', {class: 'field-name'}, 'Password'), password),
    said,
    send,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    said.hidden = true;
    try {
      await login(password.value);
      await done();
    } catch (error) {
      said.hidden = false;
      say(said, error.message);
      password.value = '';
    } finally {
      send.disabled = false;
      if (!signal.aborted) {
        password.focus();
      }
    }
  });
  queueMicrotask(() => password.focus());
  return {title: 'Log in', element: replace(h('div', {class: 'middle'}), form)};
}
