import { describe, expect, it } from 'vitest';
import { ActionError, messageOf, toFailure } from '../../src/errors.ts';

describe('ActionError', () => {
  it('reads as what was seen and what to do', () => {
    const error = new ActionError('TIMEOUT', 'It took too long.', 'Wait.', 'last words');
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toBe('It took too long. Wait.');
    expect(toFailure(error)).toEqual({
      code: 'TIMEOUT',
      seen: 'It took too long.',
      remedy: 'Wait.',
      details: 'last words',
    });
  });

  it('quotes no more than a report should hold', () => {
    const failure = toFailure(new ActionError('TIMEOUT', 'x'.repeat(1_000_000), 'b', 'y'.repeat(1_000_000)));
    expect(failure.seen).toBe(`${'x'.repeat(4096)}…`);
    expect(failure.details).toBe(`${'y'.repeat(64 * 1024)}…`);
  });

  it.each(['', ' \n', undefined])('has no details when they are %j', (details) => {
    expect(toFailure(new ActionError('TIMEOUT', 'a', 'b', details))).toEqual({
      code: 'TIMEOUT',
      seen: 'a',
      remedy: 'b',
    });
  });
});

describe('toFailure', () => {
  it('calls everything else a bug, with its stack', () => {
    const failure = toFailure(new TypeError('x is undefined'));
    expect(failure).toMatchObject({ code: 'BUG', seen: 'x is undefined' });
    expect(failure.details).toContain('errors.test.ts');
  });

  it.each(['text', 42, null, undefined, { a: 1 }])('takes %j that was thrown', (thrown) => {
    expect(toFailure(thrown)).toMatchObject({ code: 'BUG', seen: String(thrown) });
    expect(messageOf(thrown)).toBe(String(thrown));
  });
});
