import { durationText } from './text.ts';

/** Seconds after which a slow work says again how far it is. */
const SILENCE = 30;

/**
 * How far a work is: tells when that is worth a line (at every tenth, and every 30 seconds between), and how long the rest
 * takes if it goes on as it did.
 */
export class Pace {
  readonly #now: () => number;
  readonly #started: number;
  #told: number;
  #tenth = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#started = now();
    this.#told = this.#started;
  }

  /** @param fraction done, 0 to 1; null: how much it is in all isn't known */
  isDue(fraction: number | null): boolean {
    const tenth = fraction === null ? 0 : Math.floor(fraction * 10);
    if (tenth <= this.#tenth && this.#now() - this.#told < SILENCE * 1000) return false;
    this.#tenth = Math.max(tenth, this.#tenth);
    this.#told = this.#now();
    return true;
  }

  /** Since the beginning, in seconds; never 0. */
  get seconds(): number {
    return Math.max((this.#now() - this.#started) / 1000, 0.001);
  }

  /** `, about 12.0 s left`; nothing where nothing can be told. */
  leftText(fraction: number | null): string {
    if (fraction === null || fraction <= 0 || fraction >= 1) return '';
    return `, about ${durationText((this.seconds / fraction) * (1 - fraction))} left`;
  }
}
