import type { ContainerPlan } from '../../../src/plan/actions.ts';
import { containerDigest, containerIdentity, headIdentity, type Identified } from '../../../src/plan/identity.ts';
import { marks, placesText } from '../../../src/plan/marks.ts';
import { containerIdentityBlocks, identityTable } from '../../../src/report/identity.ts';
import { cell, plain } from './markdown.ts';

/** A host's plan, as its host wrote it: untrusted. */
export interface ShownPlan {
  host: string;
  plan: Identified;
}

/** Sentences of marks that are shown, and the longest of them in UTF-16 units. */
const MARKS = { most: 40, longest: 1500 };

/** What approvers should look at first, a paragraph each. */
export function markParagraphs(plans: readonly ShownPlan[]): string[] {
  const all = marks(
    plans.map(({ host, plan }) => ({ host, architecture: plan.host.architecture, containers: plan.containers })),
  );
  const shown = all
    .slice(0, MARKS.most)
    .map((mark) => (mark.length > MARKS.longest ? `${mark.slice(0, MARKS.longest)}… (shortened)` : mark));
  if (all.length > shown.length) shown.push(`${all.length - shown.length} more such remarks have no room here.`);
  return shown.map((mark) => `<p>⚠️ ${cell(mark)}</p>`);
}

/**
 * Folds with all that the plans' digests cover, at most so many bytes. Containers of which everything is the same share
 * one. Where there is no room, texts of files go first, then whole folds; what is missing is named above them.
 */
export function coveredFolds(plans: readonly ShownPlan[], bytes: number): string {
  const folds = [...allFolds(plans, true)];
  const whole = joined(folds.map(({ html }) => html));
  if (Buffer.byteLength(whole) <= bytes) return whole;

  const missing = (what: string) =>
    `<p>⚠️ There is no room here for ${what}. plan.json in the artifact <code>nvidia-plan-HOST</code> of this run has all of it.</p>`;
  const short = [...allFolds(plans, false)];
  const noFiles = joined([missing('the texts of the files that are written'), ...short.map(({ html }) => html)]);
  if (Buffer.byteLength(noFiles) <= bytes) return noFiles;

  // Room for the words on what is missing; they are bounded themselves.
  let room = bytes - 16 * 1024;
  const fitting: string[] = [];
  const left: string[] = [];
  for (const { html, title } of short) {
    const size = Buffer.byteLength(html) + 2;
    if (size <= room) {
      room -= size;
      fitting.push(html);
    } else left.push(title);
  }
  const named = left.join('; ');
  const names = named.length > 2000 ? `${named.slice(0, 2000)}… and more, ${left.length} parts in all` : named;
  return joined([missing(`the texts of files, and for what the digest covers of ${cell(names)}`), ...fitting]);
}

interface Fold {
  /** Plain text: the containers. */
  title: string;
  html: string;
}

function* allFolds(plans: readonly ShownPlan[], withFiles: boolean): Iterable<Fold> {
  for (const { host, plan } of plans) {
    const title = `${host}: the host and what is asked for`;
    yield fold(title, '', [identityTable(headIdentity(plan), plain)]);
  }
  const same = new Map<string, { part: ContainerPlan; body: string[]; places: { host: string; ctid: number }[] }>();
  for (const { host, plan } of plans) {
    for (const part of plan.containers) {
      const body = containerIdentityBlocks(part, plain, withFiles);
      const key = `${containerDigest(part)}\n${body.join('\n')}`;
      const group = same.get(key) ?? { part, body, places: [] };
      group.places.push({ host, ctid: part.ctid });
      same.set(key, group);
    }
  }
  for (const { part, body, places } of same.values()) {
    const actions = Object.keys(containerIdentity(part)['actions'] ?? {});
    yield fold(placesText(places), `: ${actions.join(', ') || 'nothing to do'}`, body);
  }
}

function fold(title: string, rest: string, parts: readonly string[]): Fold {
  const summary = `<summary><b>${cell(title)}</b>${cell(rest)}</summary>`;
  return { title, html: joined([`<details>${summary}`, ...parts, '</details>']) };
}

const joined = (parts: readonly string[]) => parts.filter((part) => part !== '').join('\n\n');
