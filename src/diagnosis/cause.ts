import type { FailureCode } from '../errors.ts';

/**
 * A cause of failures: how one sees it, what lies behind it and what to do. Its texts are a row of
 * docs/troubleshooting.md (`node scripts/troubleshooting-tables.ts`); `CTID` in them stands for the container's id.
 */
export interface Cause<Evidence> {
  code: FailureCode;
  /** What a person sees of it, in words. */
  symptom: string;
  /** What lies behind it, in words that end a sentence. */
  cause: string;
  /** Whole sentences. */
  remedy: string;
  /** Where this is known from. */
  source: string;
  /** Whether the evidence shows this cause; a text says the same as `cause` with what was found in particular. */
  shows(evidence: Evidence): boolean | string;
}

/** The one cause that a failure is put down to. */
export interface Diagnosis {
  code: FailureCode;
  cause: string;
  remedy: string;
}

/**
 * The first cause that the evidence shows: tables are in order, the most specific cause first. Null: none is known.
 *
 * @param ctid the container it is about
 */
export function diagnose<Evidence>(
  causes: readonly Cause<Evidence>[],
  evidence: Evidence,
  ctid: number,
): Diagnosis | null {
  const [first] = diagnoseAll(causes, evidence);
  return first === undefined ? null : { ...first, remedy: first.remedy.replaceAll('CTID', String(ctid)) };
}

/** Every cause that the evidence shows, in the table's order. */
export function diagnoseAll<Evidence>(causes: readonly Cause<Evidence>[], evidence: Evidence): Diagnosis[] {
  return causes.flatMap(({ code, cause, remedy, shows }) => {
    const shown = shows(evidence);
    return shown === false ? [] : [{ code, cause: shown === true ? cause : shown, remedy }];
  });
}
