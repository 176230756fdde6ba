import { readFileSync } from 'node:fs';
import { Refusal } from './errors.ts';

/** One host and the action's inputs for it. `name` is also the label of the host's runner. */
export interface HostWish {
  name: string;
  inputs: Record<string, string>;
}

/** Inputs that the workflows set themselves, or that name files which no job on a host has. */
const NOT_WISHES = [
  'mode',
  'approved-plan',
  'facts',
  'facts-max-age-hours',
  'phoenix-lxc-config',
  'phoenix-hypervisor-config',
];

/** A host's name is part of artifact names, labels and concurrency groups: a DNS name in small letters. */
const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?)*$/;

/** GitHub's limit of jobs that one matrix makes. */
const MOST_HOSTS = 256;

/** Longest list in characters: the workflows hand it over in an environment variable, of which Linux takes 128 KiB. */
const LONGEST_LIST = 64 * 1024;

/** The inputs that a wishes file may hold: those of the root's action.yml but {@link NOT_WISHES}. */
export function wishNames(): string[] {
  const manifest = readFileSync(new URL('../../../action.yml', import.meta.url), 'utf8');
  const inputs = /^inputs:\n([\s\S]*?)^outputs:/m.exec(manifest)?.[1] ?? '';
  const names = [...inputs.matchAll(/^ {2}([a-z0-9-]+):$/gm)].map(([, name]) => name ?? '');
  return names.filter((name) => !NOT_WISHES.includes(name));
}

/**
 * @param where the words for messages
 * @throws Refusal for an input that doesn't exist or isn't text
 */
export function checkInputs(value: unknown, where: string): Record<string, string> {
  const known = wishNames();
  const inputs: Record<string, string> = {};
  for (const [name, wish] of Object.entries(object(value, where))) {
    if (!known.includes(name)) {
      throw new Refusal(`${where} has "${name}", which is no wish.`, `Valid are: host, ${known.join(', ')}.`);
    }
    if (typeof wish !== 'string') {
      throw new Refusal(`${where}: "${name}" is ${JSON.stringify(wish)}.`, 'Write it as text, in quotes.');
    }
    inputs[name] = wish;
  }
  return inputs;
}

/**
 * The hosts of a wishes file, in its order.
 *
 * @throws Refusal for anything that isn't understood
 */
export function readWishes(text: string): HostWish[] {
  const { $schema: _schema, hosts, ...others } = object(parse(text), 'The wishes file');
  const [other] = Object.keys(others);
  if (other !== undefined) throw new Refusal(`The wishes file has "${other}".`, 'It holds "hosts" and nothing else.');
  if (!Array.isArray(hosts) || hosts.length === 0) {
    throw new Refusal('The wishes file names no host.', 'Give "hosts" a list of {"host": …, "containers": …}.');
  }
  if (hosts.length > MOST_HOSTS) {
    throw new Refusal(
      `The wishes file names ${hosts.length} hosts.`,
      `Split it: a matrix has ${MOST_HOSTS} jobs at most.`,
    );
  }
  const wishes = hosts.map((entry, index) => readHost(entry, `hosts[${index}]`));
  const names = wishes.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Refusal(`The wishes file names host "${twice}" twice.`, 'Make one entry of them.');
  if (JSON.stringify(wishes).length > LONGEST_LIST) {
    throw new Refusal(`The wishes file has more than ${LONGEST_LIST} characters.`, 'Split it.');
  }
  return wishes;
}

function readHost(entry: unknown, where: string): HostWish {
  const { host, ...inputs } = object(entry, where);
  if (typeof host !== 'string' || host.length > 100 || !HOST_NAME.test(host)) {
    throw new Refusal(
      `${where}: "host" is ${JSON.stringify(host)}.`,
      'Give the host name in small letters, as the runner is labelled.',
    );
  }
  const wish = { name: host, inputs: checkInputs(inputs, `${where} (${host})`) };
  if (!wish.inputs['containers']) {
    throw new Refusal(
      `${where} (${host}) names no containers.`,
      'Give "containers", e.g. "901, 903-905" or "tag:gpu".',
    );
  }
  return wish;
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Refusal(`${where} is no JSON object.`, 'See docs/rollout.md for its form.');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(`The wishes file is no JSON: ${(error as Error).message}.`, 'Correct it.');
  }
}
