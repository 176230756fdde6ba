import type { ContainerFacts } from '../facts/facts.ts';
import type { Action, PassthroughEntry } from '../plan/actions.ts';
import type { Pct } from '../proxmox/pct.ts';
import type { ApplyContext } from './context.ts';

const SECONDS = 60;

/** Adds `devN` entries to a container's configuration. @throws ActionError PASSTHROUGH_FAILED */
export function configurePassthrough(
  { ctid, pct }: ApplyContext,
  { entries }: Extract<Action, { kind: 'configure-passthrough' }>,
): Promise<void> {
  const options = entries.flatMap(({ key, value }) => [`--${key}`, value]);
  return pct.manage('PASSTHROUGH_FAILED', ['set', String(ctid), ...options], {
    timeoutSeconds: SECONDS,
    remedy: "See pct's own words below; nothing else was changed.",
  });
}

/**
 * Takes `devN` entries out of a container's configuration again: of those given, the ones that are still as they were added.
 *
 * @throws ActionError RECOVERY_FAILED
 */
export async function takeBackPassthrough(
  pct: Pct,
  { ctid, passthrough }: Pick<ContainerFacts, 'ctid' | 'passthrough'>,
  entries: readonly Pick<PassthroughEntry, 'key' | 'path'>[],
): Promise<void> {
  const own = entries.filter(({ key, path }) =>
    passthrough.nodes.some((node) => node.key === key && node.path === path),
  );
  if (own.length === 0) return;
  const keys = own.map(({ key }) => key).join(',');
  await pct.manage('RECOVERY_FAILED', ['set', String(ctid), '--delete', keys], {
    timeoutSeconds: SECONDS,
    remedy: `Take them out by hand: pct set ${ctid} -delete ${keys}.`,
  });
}
