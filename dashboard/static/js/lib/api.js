/** The one way to the server: JSON in, JSON out, errors as sentences. */

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
  const isJson = (answer.headers.get('content-type') ?? '').includes('json');
  const said = isJson ? await answer.json() : null;
  if (answer.ok) {
    return said;
  }
  if (answer.status === 401 && path !== '/api/login') {
    onLoggedOut();
  }
  throw new ApiError(answer.status, said);
}

export const get = (path, signal) => ask('GET', path, undefined, signal);
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
