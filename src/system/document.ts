import * as z from 'zod/mini';
import { ActionError, type FailureCode } from '../errors.ts';
import { ACTION_VERSION } from '../version/action.ts';
import { FORMAT_VERSION } from '../version/format.ts';
import { parseJson } from './json.ts';

const Version = z.string().check(z.regex(/^\d+\.\d+$/));
const Header = z.looseObject({ kind: z.string(), schema: Version });

/** What every file begins with. */
export const documentHead = <K extends string>(kind: K) => ({
  kind: z.literal(kind),
  schema: Version,
  /** Version of the action that wrote it. */
  action: z.string(),
});

export interface DocumentErrors {
  invalid: FailureCode;
  unsupported: FailureCode;
  /** What to do about a file that can't be used. */
  remedy: string;
}

/**
 * A file of this action's, read again.
 *
 * @throws ActionError `invalid` for what is no such file, `unsupported` for one of another major format version
 */
export function parseDocument<S extends z.ZodMiniType>(
  text: string,
  kind: string,
  schema: S,
  source: string,
  { invalid, unsupported, remedy }: DocumentErrors,
): z.infer<S> {
  const header = parseJson(text, Header, source, invalid, remedy);
  if (header.kind !== kind) {
    throw new ActionError(invalid, `${source} is a ${header.kind} file, not a ${kind} file.`, remedy);
  }
  const major = (version: string) => version.split('.')[0];
  if (major(header.schema) !== major(FORMAT_VERSION)) {
    throw new ActionError(
      unsupported,
      `${source} has format ${header.schema}; version ${ACTION_VERSION} of this action reads ${major(FORMAT_VERSION)}.x.`,
      `Use the same version of this action throughout. ${remedy}`,
    );
  }
  return parseJson(text, schema, source, invalid, remedy);
}
