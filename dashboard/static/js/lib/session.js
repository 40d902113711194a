/** Who is logged in and what they may do. */

import {get, post, renewBy, setCsrf} from './api.js';
import {sentence} from './format.js';

/** What the server said last; `scopes` are 'read', 'operate' and 'configure'. */
export const session = {
  login_needed: false,
  logged_in: false,
  scopes: [],
  site: '',
  version: '',
  dashboard: {},
  read_only_reason: null,
};

/** Ask again. */
export async function refresh() {
  Object.assign(session, await get('/api/session'));
  setCsrf(session.csrf);
  return session;
}

renewBy(refresh);

/** Whether the page may show anything at all. */
export function mayRead() {
  return session.scopes.includes('read');
}

/** Whether this may be done: 'operate' or 'configure'. */
export function may(scope) {
  return session.scopes.includes(scope);
}

/** Why the configuration cannot be changed here, in a sentence; `null` where it can. */
export function whyNotConfigure() {
  if (session.read_only_reason) {
    return sentence(session.read_only_reason);
  }
  return may('configure') ? null : 'You may look, but not change the configuration.';
}

export async function login(password) {
  await post('/api/login', {password});
  return refresh();
}

export async function logout() {
  await post('/api/logout', {});
  return refresh();
}
