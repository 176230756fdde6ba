import * as z from 'zod/mini';
import en from 'zod/v4/locales/en.js';
import { ActionError, type FailureCode, messageOf } from '../errors.ts';

// zod/mini comes without words: without a locale every message reads "Invalid input".
z.config(en());

/** Faults of a document that are named; a document has many when it is of another kind. */
const NAMED_ISSUES = 5;

/**
 * What a JSON text holds, checked against a schema.
 *
 * @param source names the text in messages, e.g. its path.
 * @throws ActionError with the given code, naming the place of each fault
 */
export function parseJson<S extends z.ZodMiniType>(
  text: string,
  schema: S,
  source: string,
  code: FailureCode,
  remedy: string,
): z.infer<S> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new ActionError(code, `${source} is not JSON: ${messageOf(error)}.`, remedy);
  }
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, NAMED_ISSUES)
    .map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
  throw new ActionError(code, `${source}: ${issues.join('; ')}.`, remedy);
}
