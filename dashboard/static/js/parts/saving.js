/** Saving into the site file: with its revision, so that nobody's change is overwritten; conflicts are shown; undo. */

import {get, post} from '../lib/api.js';
import {ask} from '../lib/ask.js';
import {button, h, turnOff} from '../lib/dom.js';
import {sentence} from '../lib/format.js';
import {hearConfig, live, on} from '../lib/live.js';
import {done, failed} from '../lib/notice.js';
import {session, whyNotConfigure} from '../lib/session.js';

const LOOK_MS = 15000;
const MOST_LOOKS = 8; // a model may take its time
const TAKING = 'Saved; being taken over …';
const NOT_TAKEN = 'Saved, but not taken over';

/**
 * The site file as it is, and what may be written to it.
 * `revision` is the one that what stands in the view was made from; `config` is what was read last, which may be newer;
 * `note` says what became of the last save so far.
 */
export class SiteFile {
  constructor() {
    this.config = null;
    this.reason = null;
    this.revision = null;
    this.saved = null; // what was saved last: `{revision, reloads, read}`, of which the last two say how it was then
    this.note = '';
    this.settled = null; // the 'config' that told what became of the last save before its answer came
    this.waiting = new AbortController(); // for what becomes of the last save
  }

  /** Read it, to show what it holds now; where there is none, `reason` says why nothing can be saved. */
  async load(signal) {
    await this.look(signal);
    this.revision = this.config?.revision ?? null;
    return this;
  }

  /** Read what is in force and whether there is something to undo; what stands in the view stays what it is. */
  async look(signal) {
    const reason = whyNotConfigure();
    if (session.read_only_reason) {
      this.reason = reason;
      return this; // there is no site file
    }
    try {
      this.config = await get('/api/config', signal);
      this.reason = reason ?? (this.config.read_only_reason ? sentence(this.config.read_only_reason) : null);
    } catch (error) {
      if (error.name === 'AbortError') {
        throw error;
      }
      this.config = null;
      this.reason = reason ?? error.message;
    }
    this.refreshUndo?.();
    return this;
  }

  /** The keys of a camera as they are in force. */
  inForce(name) {
    return this.config?.in_force?.cameras?.[name] ?? null;
  }

  /** A camera as the file has it at the revision that was read last; `null` where that is not known. */
  written(name) {
    return this.config?.cameras?.[name] ?? null;
  }

  /** Why a camera cannot be changed here, in a sentence; `null` where it can. */
  whyNot(name) {
    if (this.reason !== null || this.written(name)) {
      return this.reason;
    }
    return this.config?.cameras_fault
      ? `The site file is wrong, and can be mended as text under System: ${this.config.cameras_fault}`
      : 'This camera is not in the site file any more.';
  }

  /**
   * Send a change.
   * @param send `send(revision)`: the request.
   * @param whole Whether it replaces all that is there, so that it cannot go into a file that was changed meanwhile.
   * @return 'saved'; 'theirs' where the user wants the file's version instead; 'stay' to go on editing.
   * @throws ApiError with `faults` where the change is refused.
   */
  async save(send, whole = false) {
    return this.#send(send, this.revision, whole);
  }

  async #send(send, revision, whole) {
    let said;
    try {
      said = await send(revision);
    } catch (error) {
      if (error.status !== 409 || !error.body.revision) {
        throw error;
      }
      return this.#conflict(error, send, whole);
    }
    this.revision = said?.revision ?? revision;
    this.saved = {revision: this.revision, reloads: said?.reloads, read: said?.read_revision};
    this.note = TAKING;
    this.settled = null;
    if (live.config?.reloads > this.saved.reloads && this.isSettledBy(live.config)) {
      this.settled = live.config; // told before the answer came
      this.note = this.outcome(live.config);
    }
    if (said?.reloading === false && said.note) {
      failed(new Error(`${NOT_TAKEN}: ${said.note}`));
      this.settled = {note: said.note};
      this.note = NOT_TAKEN;
    }
    this.#wait();
    await this.look();
    return 'saved';
  }

  /** Ask what became of a save where nothing tells it: there may be no stream, or its first word came after the save. */
  #wait() {
    this.waiting.abort();
    if (this.note !== TAKING || this.saved.reloads === undefined) {
      return;
    }
    this.waiting = new AbortController();
    const {signal} = this.waiting;
    on('config', (said) => this.isSettledBy(said) && this.waiting.abort(), signal);
    let [timer, looks] = [null, 0];
    const look = async () => {
      const said = await get('/api/config', signal).catch(() => null);
      looks += 1;
      if (said && this.isSettledBy(said) && !signal.aborted) {
        hearConfig(said);
      } else if (looks < MOST_LOOKS && !signal.aborted) {
        timer = setTimeout(look, LOOK_MS);
      }
    };
    timer = setTimeout(look, LOOK_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  /**
   * Whether a 'config' tells what became of the last save: the reload has ended that read this very state of the file, or
   * one that began later. One that was under way already when it was saved tells nothing.
   */
  isSettledBy(said) {
    if (this.saved?.reloads === undefined || said.reloads === undefined) {
      return true;
    }
    const {revision, reloads, read} = this.saved;
    if (said.reloads < reloads || said.reloads > reloads + 1) {
      return true; // another process, which has read it at its start; or the second one since
    }
    return said.read_revision === revision && (said.reloads > reloads || read !== revision);
  }

  /** What a 'config' that settles it tells of the state in the view. */
  outcome(said) {
    if (said.reload_error) {
      return NOT_TAKEN;
    }
    const isNewer = said.read_revision && said.read_revision !== this.revision;
    return isNewer ? 'The file was changed since; that is in force' : 'In force';
  }

  async #conflict(error, send, whole) {
    const {changes, revision} = error.body;
    const body = h(
      'div',
      null,
      h('p', null, error.message),
      changes ? h('pre', {class: 'diff', tabindex: '0', 'aria-label': 'What was changed'}, changes) : null,
      h('p', null, 'Nothing was overwritten, and what you drew or wrote is still here.'),
    );
    const answers = [
      ['theirs', 'Take the file’s version'],
      ['mine', 'Save mine into the changed file'],
      [null, 'Go on editing', 'first'],
    ];
    const answer = await ask(
      'The site file was changed meanwhile',
      body,
      answers.filter(([value]) => value !== 'mine' || !whole),
    );
    if (answer === null) {
      return 'stay';
    }
    if (answer === 'theirs') {
      await this.load();
      return 'theirs';
    }
    return this.#send(send, revision, whole); // into what the difference was shown of
  }

  /**
   * A button that brings back the file as it was before the last change made here; then `after(answer)` shows it, with the
   * answer of `save`.
   * @param unsaved `unsaved()`: whether there is something that would be lost by that.
   */
  undoButton(after, unsaved) {
    const undo = async () => {
      if (unsaved() && !(await this.#givesUp())) {
        return;
      }
      const answer = await this.save((revision) => post('/api/config/undo', {revision}), true);
      if (answer === 'stay') {
        return;
      }
      if (answer === 'saved') {
        done('The site file is as it was before the last save.');
        await this.load();
      }
      await after(answer);
    };
    const made = button('Undo last save', {name: 'undo', onclick: () => undo().catch(failed)});
    this.refreshUndo = () => {
      turnOff(made, !this.config?.can_undo || this.reason !== null);
    };
    this.refreshUndo();
    return made;
  }

  async #givesUp() {
    const text = h('p', null, 'The file as it was before the last save is shown then; what is not saved yet is lost.');
    const answers = [
      ['undo', 'Undo, and lose it'],
      [null, 'Go on editing', 'first'],
    ];
    return (await ask('Undo the last save?', text, answers)) === 'undo';
  }
}
