import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Desired } from '../desired/desired.ts';
import { ActionError } from '../errors.ts';
import type { RunfileFacts } from '../facts/facts.ts';
import { untilCancelled } from '../system/cancellation.ts';
import type { Http } from '../system/http.ts';
import { type LockOptions, ownerNow } from '../system/lock.ts';
import type { Log } from '../system/log.ts';
import { Pace } from '../system/progress.ts';
import { bytesText, durationText, shownUrl } from '../system/text.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';
import type { World } from '../world.ts';
import { parseSha256Sum, runfileAddresses, runfileName } from './address.ts';
import { checkOwnSum, checkRoom, checkRunfile, DamagedArchive, unpackArchive } from './archive.ts';
import type { Archive, ArchiveStore } from './archive-store.ts';
import type { CachedRunfile, RunfileCache } from './cache.ts';

/**
 * Finds out where a version's runfile is and what its checksum is, without downloading it.
 *
 * @throws ActionError RUNFILE_NOT_FOUND, RUNFILE_NO_CHECKSUM, DOWNLOAD_FAILED
 */
export async function locateRunfile(
  http: Http,
  cache: RunfileCache,
  wish: Desired['runfile'],
  version: DriverVersion,
  architecture: Architecture,
): Promise<RunfileFacts> {
  const addresses = runfileAddresses(wish.address, version, architecture);
  const cached = await cache.find(version, architecture);
  // What is cached was checked when it came, so its own checksum will do unless the user names one or another address.
  const url = addresses.find((address) => shownUrl(address) === cached?.url);
  if (cached !== null && url !== undefined && (wish.sha256 ?? cached.sha256) === cached.sha256) {
    return { version, url, sha256: cached.sha256, size: cached.size };
  }
  for (const url of addresses) {
    const size = await http.head(url, 'DOWNLOAD_FAILED');
    if (size === undefined) continue;
    const sha256 = wish.sha256 ?? (await publishedSha256(http, url));
    if (sha256 === null && wish.integrity !== 'self-check') {
      throw new ActionError(
        'RUNFILE_NO_CHECKSUM',
        `There is no .sha256sum file beside ${shownUrl(url)}.`,
        'Give the checksum as "runfile-sha256", or accept the runfile\'s own check with "runfile-integrity: self-check".',
      );
    }
    return { version, url, sha256, size };
  }
  throw new ActionError(
    'RUNFILE_NOT_FOUND',
    `Driver ${version} is not at ${addresses.map(shownUrl).join(' nor at ')}.`,
    'Give its address as "runfile-url" (vGPU and distribution drivers are not published there).',
  );
}

async function publishedSha256(http: Http, url: string): Promise<string | null> {
  const beside = new URL(url);
  beside.pathname += '.sha256sum';
  const body = await http.get(beside.href, 'DOWNLOAD_FAILED');
  if (body === null) return null;
  const sha256 = parseSha256Sum(body.toString('latin1'));
  if (sha256 === null) {
    throw new ActionError(
      'DOWNLOAD_FAILED',
      `${shownUrl(beside.href)} holds no checksum.`,
      'A proxy or captive page may have answered: check the address, or give "runfile-sha256".',
    );
  }
  return sha256;
}

/** A runfile to obtain; without checksum the one that it carries must do. */
export interface WantedRunfile {
  version: DriverVersion;
  url: string;
  sha256: string | null;
  /** Bytes, as announced when the plan was made: no more are downloaded. */
  size?: number | null;
}

/** What obtaining needs of the outside world. */
type ObtainWorld = Pick<World, 'http' | 'log' | 'run' | 'runName' | 'cancelled'>;

/**
 * The driver's files on this host, checked and unpacked for every container: those unpacked last when they are of this runfile
 * and their bytes are right; else from the runfile in the cache, else downloaded. What has a wrong checksum is thrown away.
 * Another run that is obtaining a driver is waited for.
 *
 * @param secondsLeft for all of it; throws when none are left
 * @throws ActionError RUNFILE_CHECKSUM_MISMATCH, RUNFILE_UNUSABLE, DOWNLOAD_FAILED, TIMEOUT
 */
export async function obtainArchive(
  world: ObtainWorld,
  { cache, archives }: { cache: RunfileCache; archives: ArchiveStore },
  wanted: WantedRunfile,
  architecture: Architecture,
  secondsLeft: () => number,
): Promise<Archive> {
  const { version } = wanted;
  const { log } = world;
  // Two, because other hosts may share the cache, and must share its lock.
  await using _archives = await archives.lock(lockOptions(world, version, secondsLeft()));
  await using _cache = await cache.lock(version, architecture, lockOptions(world, version, secondsLeft()));
  const cached = await cache.find(version, architecture);
  const sha256 = wanted.sha256 ?? (cached !== null && isWanted(cached, wanted) ? cached.sha256 : null);
  const archive = sha256 === null ? 'none' : await archives.open(sha256);
  if (typeof archive !== 'string') {
    log.info(`Driver ${version} is unpacked on this host already (${bytesText(archive.size)}, checksum right).`);
    return archive;
  }
  if (archive === 'changed') log.info(`What was unpacked of driver ${version} has changed: it is made anew.`);
  const runfile =
    (await checkedFromCache(log, cache, cached, wanted, architecture)) ??
    (await download(world, cache, wanted, architecture, secondsLeft));
  return await unpack(world, cache, archives, runfile, architecture, secondsLeft);
}

function lockOptions(
  { log, runName, cancelled }: ObtainWorld,
  version: DriverVersion,
  waitSeconds: number,
): LockOptions {
  return {
    owner: ownerNow(runName),
    waitSeconds,
    cancelled,
    onWait: (holder) => log.info(`A driver's runfile is being obtained by ${holder}: waiting.`),
    busy: (holder) =>
      new ActionError(
        'TIMEOUT',
        `The runfile of ${version} could not be obtained: ${holder} is obtaining one, for longer than ${durationText(waitSeconds)}.`,
        'Wait for that run, or cancel it; raise "timeout-minutes" if the download is merely slow.',
      ),
  };
}

/** Whether a cached runfile says that it is the wanted one. Its bytes aren't looked at. */
function isWanted(cached: CachedRunfile, { url, sha256 }: WantedRunfile): boolean {
  // Without a published checksum only a copy from the same address is what was asked for.
  return sha256 === null ? cached.url === shownUrl(url) : cached.sha256 === sha256;
}

/** The cached runfile, if it is the wanted one and its bytes are right; else it is thrown away. */
async function checkedFromCache(
  log: Log,
  cache: RunfileCache,
  cached: CachedRunfile | null,
  wanted: WantedRunfile,
  architecture: Architecture,
): Promise<CachedRunfile | null> {
  if (cached === null) return null;
  const { version } = wanted;
  if (isWanted(cached, wanted) && (await cache.sha256(cached)) === cached.sha256) {
    log.info(`The runfile of ${version} comes from the cache (${bytesText(cached.size)}, checksum right).`);
    return cached;
  }
  log.info(`The cached runfile of ${version} doesn't have the wanted checksum: it is thrown away.`);
  await cache.remove(version, architecture);
  return null;
}

/** Decompresses a runfile's archive. A runfile with which that can't be done is thrown away. */
async function unpack(
  { run, log, cancelled }: ObtainWorld,
  cache: RunfileCache,
  archives: ArchiveStore,
  runfile: CachedRunfile,
  architecture: Architecture,
  secondsLeft: () => number,
): Promise<Archive> {
  const { path, version, sha256, size } = runfile;
  try {
    const started = performance.now();
    const target = await archives.prepare();
    await checkRoom(dirname(target), size);
    const work = () => unpackArchive(run, path, target, secondsLeft());
    await untilCancelled(work, cancelled);
    const archive = await archives.store(sha256);
    const seconds = (performance.now() - started) / 1000;
    log.info(`${runfile.name} is unpacked on this host: ${bytesText(archive.size)} in ${durationText(seconds)}.`);
    return archive;
  } catch (error) {
    await archives.discard();
    cancelled.throwIfAborted();
    secondsLeft();
    if (error instanceof DamagedArchive) await cache.remove(version, architecture);
    throw error;
  }
}

async function download(
  { http, log }: Pick<World, 'http' | 'log'>,
  cache: RunfileCache,
  { version, url, sha256: expected, size: announced }: WantedRunfile,
  architecture: Architecture,
  secondsLeft: () => number,
): Promise<CachedRunfile> {
  const directory = await cache.workspace();
  try {
    const partial = join(directory, 'partial');
    log.info(`Downloading ${shownUrl(url)}`);
    const show = progress(log);
    const onProgress = (received: number, total: number | null) => {
      secondsLeft();
      show(received, total);
    };
    const { sha256, size } = await http.download(url, partial, 'DOWNLOAD_FAILED', onProgress, announced ?? undefined);
    if (expected !== null && sha256 !== expected) {
      throw new ActionError(
        'RUNFILE_CHECKSUM_MISMATCH',
        `${shownUrl(url)} (${size} bytes) has sha256 ${sha256}, expected was ${expected}.`,
        "Nothing was delivered. Compare the checksum with NVIDIA's .sha256sum; a proxy may have changed the file.",
      );
    }
    await checkRunfile(partial, shownUrl(url), { version, architecture });
    if (expected === null) await checkOwnSum(partial, shownUrl(url));
    const manifest = { version, url: shownUrl(url), name: runfileName(version, architecture), sha256, size };
    return await cache.store(partial, directory, architecture, manifest);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Logs how far a download is, with rate and, where the total is known, time left. */
function progress(log: Log): (received: number, total: number | null) => void {
  const pace = new Pace();
  return (received, total) => {
    const fraction = total === null ? null : received / total;
    if (!pace.isDue(fraction)) return;
    const rate = bytesText(Math.round(received / pace.seconds));
    const part =
      total === null ? bytesText(received) : `${Math.floor((received / total) * 100)} % of ${bytesText(total)}`;
    log.info(`  ${part}, ${rate}/s${pace.leftText(fraction)}`);
  };
}
