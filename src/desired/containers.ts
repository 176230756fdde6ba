import { ActionError } from '../errors.ts';

/** Most containers one step may name: a slip such as `100-99999` is an error, not a fleet. */
const MOST = 256;

/** Proxmox' own bounds of a container id (pve-common, `pve-vmid`): 100 to 999999999, no leading zero. */
const CTID = /^[1-9]\d{2,8}$/;

/** True for the text of a container id. */
export function isCtid(text: string): boolean {
  return CTID.test(text);
}

/**
 * The container ids of a list such as `901, 903-905`, separated by commas or white space, in ascending order.
 *
 * @throws ActionError CONTAINER_LIST_INVALID for anything else, an id named twice, or more than 256 containers.
 */
export function parseContainerList(text: string): number[] {
  const found = new Set<number>();
  for (const item of text.split(/[\s,]+/).filter((part) => part !== '')) {
    for (const ctid of parseItem(item)) {
      if (found.has(ctid))
        throw invalid(`Container ${ctid} is named twice in "containers".`, 'Name each container once.');
      found.add(ctid);
      if (found.size > MOST) {
        throw invalid(`Input "containers" names more than ${MOST} containers.`, 'Check the ranges, or split the step.');
      }
    }
  }
  return [...found].sort((a, b) => a - b);
}

function* parseItem(item: string): Generator<number> {
  const [first = '', last = first, ...more] = item.split('-');
  if (!isCtid(first) || !isCtid(last) || more.length > 0) {
    throw invalid(
      `"${item}" in input "containers" is not a container id.`,
      'Write ids from 100 to 999999999 or ranges, separated by commas, spaces or lines: 901, 903-905.',
    );
  }
  if (Number(first) > Number(last)) {
    throw invalid(`The range "${item}" in "containers" runs backwards.`, `Write ${last}-${first}.`);
  }
  for (let ctid = Number(first); ctid <= Number(last); ctid++) yield ctid;
}

function invalid(seen: string, remedy: string): ActionError {
  return new ActionError('CONTAINER_LIST_INVALID', seen, remedy);
}
