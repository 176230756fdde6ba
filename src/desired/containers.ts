import { ActionError } from '../errors.ts';
import type { ContainerSelection } from './desired.ts';

/** A tag as Proxmox takes it (pve-common, `pve-tag`). */
const TAG = /^[a-z0-9_][a-z0-9_.+-]*$/i;

/** Most containers one step may name: a slip such as `100-99999` is an error, not a fleet. */
const MOST = 256;

/** Proxmox' own bounds of a container id (pve-common, `pve-vmid`): 100 to 999999999, no leading zero. */
const CTID = /^[1-9]\d{2,8}$/;

/** True for the text of a container id. */
export function isCtid(text: string): boolean {
  return CTID.test(text);
}

/**
 * The containers of a list such as `901, 903-905, tag:gpu`, separated by commas or white space.
 *
 * @throws ActionError CONTAINER_LIST_INVALID, CONTAINER_NAMED_TWICE, CONTAINER_RANGE_TOO_LARGE (more than 256 containers)
 */
export function parseContainerList(text: string): ContainerSelection {
  const found = new Set<number>();
  const tags = new Set<string>();
  for (const item of text.split(/[\s,]+/).filter((part) => part !== '')) {
    if (item.startsWith('tag:')) {
      const tag = item.slice('tag:'.length).toLowerCase();
      if (!TAG.test(tag))
        throw invalid(`"${item}" in input "containers" is no tag.`, 'Write it as in Proxmox: tag:gpu.');
      if (tags.has(tag)) throw twice(item);
      tags.add(tag);
      continue;
    }
    for (const ctid of parseItem(item)) {
      if (found.has(ctid)) throw twice(String(ctid));
      found.add(ctid);
      if (found.size > MOST) {
        throw new ActionError(
          'CONTAINER_RANGE_TOO_LARGE',
          `Input "containers" names more than ${MOST} containers.`,
          'Check the ranges, or split the step.',
        );
      }
    }
  }
  return { ctids: [...found].sort((a, b) => a - b), tags: [...tags].sort(), all: false };
}

/**
 * The ids that a selection means, ascending: those it names, and the known containers with one of its tags.
 *
 * @param known every container of the host, where the selection isn't ids alone
 * @throws ActionError SELECTION_EMPTY for a tag that no container has
 */
export function selectContainers(
  { ctids, tags, all }: ContainerSelection,
  known: readonly { ctid: number; tags: readonly string[] }[],
): number[] {
  if (all) return known.map(({ ctid }) => ctid);
  const tagged = tags.flatMap((tag) => {
    const having = known.filter((container) => container.tags.includes(tag)).map(({ ctid }) => ctid);
    if (having.length > 0) return having;
    throw new ActionError(
      'SELECTION_EMPTY',
      `No container of this host has the tag "${tag}".`,
      `Check the tag; a container gets it with: pct set CTID --tags ${tag}.`,
    );
  });
  return [...new Set([...ctids, ...tagged])].sort((a, b) => a - b);
}

function* parseItem(item: string): Generator<number> {
  const [first = '', last = first, ...more] = item.split('-');
  if (!isCtid(first) || !isCtid(last) || more.length > 0) {
    throw invalid(
      `"${item}" in input "containers" is not a container id.`,
      'Write ids from 100 to 999999999, ranges or tags, separated by commas, spaces or lines: 901, 903-905, tag:gpu.',
    );
  }
  if (Number(first) > Number(last)) {
    throw invalid(`The range "${item}" in "containers" runs backwards.`, `Write ${last}-${first}.`);
  }
  for (let ctid = Number(first); ctid <= Number(last); ctid++) yield ctid;
}

function twice(item: string): ActionError {
  return new ActionError(
    'CONTAINER_NAMED_TWICE',
    `"${item}" is named twice in input "containers".`,
    'Name each container once.',
  );
}

function invalid(seen: string, remedy: string): ActionError {
  return new ActionError('CONTAINER_LIST_INVALID', seen, remedy);
}
