import * as z from 'zod/mini';
import { ActionError } from '../errors.ts';
import { documentHead, parseDocument } from '../system/document.ts';
import { ContainerFacts, HostFacts } from './facts.ts';

/** A host's facts as a file, from which a plan can be made elsewhere. */
export const FactsFile = z.object({
  ...documentHead('facts'),
  /** When it was observed, ISO 8601. */
  observedAt: z.iso.datetime(),
  host: HostFacts,
  containers: z.array(ContainerFacts),
});
export type FactsFile = z.infer<typeof FactsFile>;

const REMEDY = 'Make a new facts file on the host with "mode: facts".';

/**
 * The facts in a file's text.
 *
 * @param maxAgeHours a host is another one after some time; older facts are refused.
 * @throws ActionError FACTS_INVALID, FACTS_SCHEMA_UNSUPPORTED, FACTS_EXPIRED
 */
export function parseFactsFile(text: string, source: string, now: Date, maxAgeHours: number): FactsFile {
  const facts = parseDocument(text, 'facts', FactsFile, source, {
    invalid: 'FACTS_INVALID',
    unsupported: 'FACTS_SCHEMA_UNSUPPORTED',
    remedy: REMEDY,
  });
  const hours = (now.getTime() - Date.parse(facts.observedAt)) / 3_600_000;
  if (hours > maxAgeHours) {
    throw new ActionError(
      'FACTS_EXPIRED',
      `${source} was observed at ${facts.observedAt}, ${Math.floor(hours)} hours ago; "facts-max-age-hours" allows ${maxAgeHours}.`,
      REMEDY,
    );
  }
  return facts;
}
