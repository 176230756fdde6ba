import type { GpuHealth } from '../facts/facts.ts';
import { blocks, code, paragraph, table, text } from './html.ts';
import type { RunResult } from './result.ts';

/** Every GPU of the host with its health, and every other one that a container sees, with the containers whose nvidia-smi sees it. */
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
    healthText(host?.health?.gpus?.find((gpu) => gpu.uuid === uuid)),
  ]);
  const known = new Set(host?.gpus.map(({ uuid }) => uuid));
  const others = new Map(all.filter(({ uuid }) => !known.has(uuid)).map((gpu) => [gpu.uuid, gpu]));
  const foreign = [...others.values()].map(({ uuid, name, memory }) => [
    'unknown to the host',
    text(name),
    text(memory),
    code(uuid),
    seen(uuid),
    '–',
  ]);
  const xids = host?.health?.xids;
  return blocks([
    table(['Node', 'GPU', 'Memory', 'UUID', 'Containers', 'Health'], [...own, ...foreign]),
    xids ? paragraph(`${xids.length === 0 ? 'No' : xids.length} Xid in the host's kernel log since it started.`) : '',
  ]);
}

/** What a host tells of a GPU; what it doesn't tell is left out, and what is as on every GPU. */
function healthText(gpu: GpuHealth | undefined): string {
  if (gpu === undefined) return '–';
  const { persistence, computeMode, mig, eccErrors, processes } = gpu;
  const parts = [
    processes === null ? null : `${processes} ${processes === 1 ? 'process' : 'processes'}`,
    persistence === null ? null : `persistence ${persistence ? 'on' : 'off'}`,
    computeMode === null || computeMode === 'Default' ? null : `<b>compute mode ${text(computeMode)}</b>`,
    mig ? '<b>MIG on</b>' : null,
    [eccErrors.volatile, eccErrors.aggregate].includes(null)
      ? null
      : `ECC errors ${eccErrors.volatile} (${eccErrors.aggregate} ever)`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}
