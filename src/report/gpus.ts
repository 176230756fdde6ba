import { code, table, text } from './html.ts';
import type { RunResult } from './result.ts';

/** Every GPU of the host, and every other one that a container sees, with the containers whose nvidia-smi sees it. */
export function gpusTable({ host, containers }: RunResult): string {
  const seenBy = new Map<string, number[]>();
  for (const { ctid, gpus } of containers) {
    for (const { uuid } of gpus) seenBy.set(uuid, [...(seenBy.get(uuid) ?? []), ctid]);
  }
  const seen = (uuid: string | null) => (uuid === null ? undefined : seenBy.get(uuid))?.join(', ') ?? '–';
  const all = containers.flatMap(({ gpus }) => gpus);
  const memory = (uuid: string | null) => all.find((gpu) => gpu.uuid === uuid)?.memory ?? '–';

  const own = (host?.gpus ?? []).map(({ name, minor, uuid }) => [
    minor === null ? '–' : `/dev/nvidia${minor}`,
    text(name),
    text(memory(uuid)),
    code(uuid ?? 'not known yet'),
    seen(uuid),
  ]);
  const known = new Set(host?.gpus.map(({ uuid }) => uuid));
  const others = new Map(all.filter(({ uuid }) => !known.has(uuid)).map((gpu) => [gpu.uuid, gpu]));
  const foreign = [...others.values()].map(({ uuid, name, memory }) => [
    'unknown to the host',
    text(name),
    text(memory),
    code(uuid),
    seen(uuid),
  ]);
  return table(['Node', 'GPU', 'Memory', 'UUID', 'Containers'], [...own, ...foreign]);
}
