/** Saving into the site file: with its revision, so that nobody's change is overwritten; conflicts are shown; undo. */

import {get, post} from '../lib/api.js';
import {ask} from '../lib/ask.js';
import {button, h} from '../lib/dom.js';
import {once} from '../lib/live.js';
import {done, failed} from '../lib/notice.js';
import {session, whyNotConfigure} from '../lib/session.js';

const TAKEN_OVER_MS = 15000;
const THEIRS_MS = 3000; // a changed file is taken over by itself within a few seconds

/** The site file as it is, and what may be written to it. */
export class SiteFile {
  constructor() {
    this.config = null;
    this.reason = null;
  }

  /** Read it; where there is none, `reason` says why nothing can be saved. */
  async load(signal) {
    this.reason = whyNotConfigure();
    if (session.read_only_reason) {
      return this; // there is no site file
    }
    try {
      this.config = await get('/api/config', signal);
      this.reason ??= this.config.read_only_reason;
    } catch (error) {
      if (error.name === 'AbortError') {
        throw error;
      }
      this.config = null;
      this.reason ??= error.message;
    }
    this.refreshUndo?.();
    return this;
  }

  get revision() {
    return this.config?.revision ?? null;
  }

  /** The keys of a camera as they are in force. */
  camera(name) {
    return this.config?.in_force?.cameras?.[name] ?? null;
  }

  /**
   * Send a change.
   * @param send `send(revision)`: the request.
   * @return 'saved'; 'theirs' where the user wants the file's version instead; 'stay' to go on editing.
   * @throws ApiError with `faults` where the change is refused.
   */
  async save(send) {
    this.taken = once('config', TAKEN_OVER_MS);
    let said;
    try {
      said = await send(this.revision);
    } catch (error) {
      if (error.status !== 409 || !error.body.revision) {
        throw error;
      }
      return this.#conflict(error, send);
    }
    if (said?.reloading === false && said.note) {
      failed(new Error(`Saved, but not taken over: ${said.note}`));
      this.taken = Promise.resolve(null);
    }
    await this.load();
    return 'saved';
  }

  /** Wait until the site has taken over what was saved, or refused it, or so long; then read the file anew. */
  async takenOver(signal, withinMs = TAKEN_OVER_MS) {
    const late = new Promise((resolve) => {
      setTimeout(resolve, withinMs, null);
    });
    await Promise.race([this.taken, late]);
    return this.load(signal);
  }

  async #conflict(error, send) {
    const {changes} = error.body;
    const body = h(
      'div',
      null,
      h('p', null, error.message),
      changes ? h('pre', {class: 'diff', tabindex: '0', 'aria-label': 'What was changed'}, changes) : null,
      h('p', null, 'Nothing was overwritten, and what you drew or wrote is still here.'),
    );
    const answer = await ask('The site file was changed meanwhile', body, [
      ['theirs', 'Take the file’s version'],
      ['mine', 'Save mine into the changed file'],
      [null, 'Go on editing', 'first'],
    ]);
    if (answer === null) {
      return 'stay';
    }
    if (answer === 'theirs') {
      await this.takenOver(undefined, THEIRS_MS);
      return 'theirs';
    }
    await this.load();
    return this.save(send);
  }

  /** A button that brings back the file as it was before the last change made here; then `after()` shows it. */
  undoButton(after, signal) {
    const undo = async () => {
      const answer = await this.save((revision) => post('/api/config/undo', {revision}));
      if (answer === 'stay') {
        return;
      }
      done('The site file is as it was before the last save.');
      await this.takenOver(signal);
      await after();
    };
    const made = button('Undo last save', {name: 'undo', onclick: () => undo().catch(failed)});
    this.refreshUndo = () => {
      made.disabled = !this.config?.can_undo || this.reason !== null;
    };
    this.refreshUndo();
    return made;
  }
}
