import type { TidemarkError } from "../../src/core/errors.js";
import type { Host } from "./host.js";

interface Call {
  readonly effect: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** An answer on its way. */
interface Reply {
  readonly call: Call;
  readonly deliver: () => void;
}

/**
 * A connection from a process to a server. A call is a request on its way, then an effect on the
 * server, then a reply on its way; each is a step of its own, and a break may come between any two.
 * Calls take effect in the order in which they were made.
 */
export class Connection {
  isBroken = false;
  readonly host: Host;
  readonly #broken: () => TidemarkError;
  #requests: Call[] = [];
  #replies: Reply[] = [];
  #isExecuting = false;

  constructor(host: Host, broken: () => TidemarkError) {
    this.host = host;
    this.#broken = broken;
  }

  /** Resolves with what `effect` gives once its reply has arrived. */
  call<T>(effect: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.isBroken) reject(this.#broken());
      else this.#requests.push({ effect, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  /** Whether the server has a request to carry out. */
  get hasRequest(): boolean {
    return this.#requests.length > 0 && !this.#isExecuting;
  }

  get hasReply(): boolean {
    return this.#replies.length > 0 && this.host.isAwake;
  }

  /** Whether nothing can come of it any more. */
  get isSpent(): boolean {
    const isSilent = this.host.isDead || this.#replies.length === 0;
    return this.isBroken && isSilent && this.#requests.length === 0 && !this.#isExecuting;
  }

  /** Carries the oldest request out; its reply is then on the way. */
  execute(): void {
    const call = this.#requests.shift();
    if (call === undefined) return;
    this.#isExecuting = true;
    const answer = (deliver: () => void): void => {
      this.#isExecuting = false;
      if (!this.isBroken) this.#replies.push({ call, deliver });
    };
    call.effect().then(
      (value) => answer(() => call.resolve(value)),
      (error: unknown) => answer(() => call.reject(error)),
    );
  }

  /** Hands the oldest reply over. */
  deliver(): void {
    this.#replies.shift()?.deliver();
  }

  /**
   * The connection is lost: the process sees an error instead of each reply. What is on its way to
   * the server gets there if `isHeard`, without a reply; otherwise it is lost as well.
   */
  break(isHeard: boolean): void {
    if (this.isBroken) return;
    this.isBroken = true;
    const waiting = [...this.#replies.map(({ call }) => call), ...this.#requests];
    // The process learns of it in its own time, like of any other reply.
    this.#replies = waiting.map((call) => ({ call, deliver: () => call.reject(this.#broken()) }));
    this.#requests = isHeard ? this.#requests.slice(0, 1) : [];
  }

  /** What has not been carried out never will be: the server lost it. */
  forget(): void {
    this.#requests = [];
  }
}
