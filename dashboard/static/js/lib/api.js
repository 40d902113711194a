/** The one way to the server: JSON in, JSON out, errors as sentences. */

import {heard} from './clock.js';

const MOST_WAIT_S = 5;
const MORE_TRIES = 2; // of what is only read

let csrf = null;
let onLoggedOut = () => {};
let renew = async () => {};

/** What goes with each change, so that no other site can make one. */
export function setCsrf(token) {
  csrf = token ?? null;
}

/** What to do when the server says that nobody is logged in. */
export function whenLoggedOut(act) {
  onLoggedOut = act;
}

/** What asks the server anew who one is: a server that was started anew wants another token. */
export function renewBy(act) {
  renew = act;
}

/** An answer that is no success. `status` is 0 where no answer came. */
export class ApiError extends Error {
  constructor(status, body) {
    super(sentence(status, body));
    this.status = status;
    this.body = body ?? {};
    this.retryS = null; // seconds after which the server wants to be asked again
    this.path = this.body.path ?? null;
    this.faults = this.body.faults ?? [];
  }
}

function sentence(status, body) {
  if (typeof body?.detail === 'string') {
    return body.detail;
  }
  if (Array.isArray(body?.detail)) {
    return body.detail.map((one) => `${(one.loc ?? []).slice(1).join('.')}: ${one.msg}`).join('; ');
  }
  return status ? `the server answered ${status}` : 'the server does not answer';
}

/** Wait; rejected as `fetch` is when the signal aborts. */
async function pause(seconds, signal) {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Read; a server that has too much to do is asked again when it says, each page at another moment. */
async function read(path, signal) {
  for (let left = MORE_TRIES; ; left -= 1) {
    try {
      return await ask('GET', path, undefined, signal);
    } catch (error) {
      if (error.status !== 503 || !(error.retryS > 0) || !left) {
        throw error;
      }
      await pause(Math.min(error.retryS, MOST_WAIT_S) * (1 + Math.random() / 2), signal);
    }
  }
}

async function ask(method, path, body, signal) {
  const token = csrf;
  try {
    return await send(method, path, body, signal);
  } catch (error) {
    if (error.status !== 403 || method === 'GET') {
      throw error;
    }
    await renew().catch(() => {});
    if (csrf === token) {
      throw error;
    }
    return send(method, path, body, signal); // nothing was done yet: it was refused
  }
}

async function send(method, path, body, signal) {
  const headers = {Accept: 'application/json'};
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
  }
  if (method !== 'GET' && csrf) {
    headers['X-CSRF-Token'] = csrf;
  }
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      signal,
      cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    throw new ApiError(0);
  }
  heard(answer.headers.get('date'));
  const isJson = (answer.headers.get('content-type') ?? '').includes('json');
  const said = isJson ? await answer.json() : null;
  if (answer.ok) {
    return said;
  }
  if (answer.status === 401 && path !== '/api/login') {
    onLoggedOut();
  }
  const error = new ApiError(answer.status, said);
  error.retryS = Number(answer.headers.get('retry-after')) || null;
  throw error;
}

export const get = (path, signal) => read(path, signal);
export const post = (path, body) => ask('POST', path, body);
export const put = (path, body) => ask('PUT', path, body);

/** A path with a query; what is empty is left out. */
export function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(pairs).toString();
  return text ? `${path}?${text}` : path;
}

/** A name as a part of a path. */
export const part = (name) => encodeURIComponent(name);
