/** A refusal: what was seen and what to do. `code` is set where the closing summary must tell it from others. */
export class Refusal extends Error {
  readonly code: string | null;

  constructor(seen: string, remedy: string, code: string | null = null) {
    super(`${seen} ${remedy}`);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** GitHub's API answered, but not with what was asked for. */
export class Unanswered extends Refusal {
  /** HTTP status, e.g. 404. */
  readonly status: number;

  constructor(status: number, seen: string, remedy: string) {
    super(seen, remedy);
    this.status = status;
  }
}
