import { describe, expect, it } from 'vitest';
import { compatibility } from '../../../src/plan/compatibility.ts';
import { parseCudaVersion } from '../../../src/version/cuda.ts';

const judged = (driver: string, toolkit: string) => {
  const version = parseCudaVersion(toolkit);
  if (version === null) throw new Error(`no version: ${toolkit}`);
  return compatibility(driver, version);
};

/** CUDA Toolkit Release Notes, table 3 (in part): the driver that a toolkit was released with. */
const RELEASED_WITH = {
  '11.8': '520.61.05',
  '12.0': '525.85.12',
  '12.4': '550.54.15',
  '12.8': '570.124.06',
  '12.9': '575.57.08',
  '13.0': '580.95.05',
  '13.1': '590.48.01',
};

describe('compatibility', () => {
  it.each(Object.entries(RELEASED_WITH))('%s runs without limits from %s on', (toolkit, driver) => {
    expect(judged(driver, toolkit)).toEqual({ kind: 'full' });
    expect(judged('999.99', toolkit)).toEqual({ kind: 'full' });
  });

  it.each([
    ['535.104.05', '12.8', '570.124.06'],
    ['525.60.13', '12.0', '525.85.12'],
    ['580.65.06', '13.0', '580.95.05'],
    ['580.159.04', '13.1', '590.48.01'],
    ['450.80.02', '11.8', '520.61.05'],
    ['570.26', '12.8', '570.124.06'],
    ['450.36.06', '11.0', '450.51.06'],
  ])('driver %s runs %s with limits', (driver, toolkit, releasedWith) => {
    expect(judged(driver, toolkit)).toEqual({ kind: 'limited', releasedWith });
  });

  it.each([
    ['525.60.12', '12.8', '525.60.13', '11.8'],
    ['470.256.02', '12.0', '525.60.13', '11.4'],
    ['580.65.05', '13.0', '580.65.06', '12.9'],
    ['575.57.08', '13.1', '580.65.06', '12.9'],
    ['450.80.01', '11.4', '450.80.02', '11.0'],
    ['390.157', '11.0', '450.36.06', null],
  ])('driver %s cannot run %s', (driver, toolkit, minimum, newestPossible) => {
    expect(judged(driver, toolkit)).toEqual({ kind: 'impossible', minimum, newestPossible });
  });

  it('never proposes what it refuses', () => {
    for (const driver of ['390.157', '450.36.06', '450.51.06', '470.86', '525.60.12', '550.163.01', '580.142']) {
      for (const toolkit of ['11.0', '11.4', '11.8', '12.0', '12.8', '13.0', '13.3']) {
        const found = judged(driver, toolkit);
        if (found.kind === 'impossible' && found.newestPossible !== null) {
          expect(judged(driver, found.newestPossible).kind).not.toBe('impossible');
        }
      }
    }
  });

  it('lets a major version pass that nobody knows yet', () => {
    expect(judged('580.142', '14.0')).toEqual({ kind: 'full' });
  });
});
