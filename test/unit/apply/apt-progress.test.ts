import { describe, expect, it } from 'vitest';
import { aptLog, isAptStatus } from '../../../src/apply/apt-progress.ts';
import { RecordingLog } from '../helpers/log.ts';

/** What is logged of lines that come one a second. */
function logged(lines: readonly string[]): string[] {
  const log = new RecordingLog();
  let seconds = 0;
  const tell = aptLog(log, 901, () => seconds * 1000);
  for (const line of lines) {
    seconds++;
    tell(line);
  }
  return log.lines;
}

describe('aptLog', () => {
  it('tells no more than ten times of a progress that goes over all bounds', () => {
    const lines = Array.from({ length: 1000 }, (_, index) => `dlstatus:1:${(index + 1) * 1000}:x`);
    const log = new RecordingLog();
    const tell = aptLog(log, 901, () => 0);
    for (const line of lines) tell(line);
    expect(log.lines).toEqual(['info   100 % downloaded']);
  });

  it('tells how far a download is, with rate and time left (lines of apt 2.6.1)', () => {
    expect(
      logged([
        'Need to get 29.0 MB of archives.',
        'Get:1 http://mirror.example/debian bookworm/main amd64 cpp-12 amd64 12.2.0-14+deb12u1 [9768 kB]',
        'dlstatus:1:0.0000:Retrieving file 1 of 2',
        'dlstatus:1:6.2799:Retrieving file 1 of 2',
        'dlstatus:1:25.2388:Retrieving file 1 of 2',
        'dlstatus:1:25.3000:Retrieving file 1 of 2',
        'dlstatus:2:100.0000:Retrieving file 2 of 2',
        'Fetched 29.0 MB in 6s (4471 kB/s)',
      ]),
    ).toEqual([
      'foreign 901 Need to get 29.0 MB of archives.',
      'debug 901 │ Get:1 http://mirror.example/debian bookworm/main amd64 cpp-12 amd64 12.2.0-14+deb12u1 [9768 kB]',
      'info   25 % of 29.0 MB downloaded, 1.5 MB/s, about 14.8 s left',
      'info   100 % of 29.0 MB downloaded, 4.1 MB/s',
      'foreign 901 Fetched 29.0 MB in 6s (4471 kB/s)',
    ]);
  });

  it.each([
    ['Need to get 0 B/828 kB of archives.', '0.8 MB'],
    ['Need to get 500 MB/3,214 MB of archives.', '3214.0 MB'],
    ['Need to get 1.5 GB of archives.', '1500.0 MB'],
  ])('knows the size in %j', (line, size) => {
    expect(logged([line, 'dlstatus:1:50.0:x'])[1]).toContain(`50 % of ${size} downloaded`);
  });

  it('does without a size', () => {
    expect(logged(['dlstatus:1:50.0:x'])).toEqual(['info   50 % downloaded, about 1.0 s left']);
  });

  it('tells how far an installation is; a line per package goes to the debug log', () => {
    expect(
      logged([
        '(Reading database ... 112685 files and directories currently installed.)',
        'pmstatus:dpkg-exec:0.0000:Running dpkg',
        'pmstatus:fonts-liberation:20.0000:Unpacking fonts-liberation (amd64)',
        'Unpacking fonts-liberation (1:1.07.4-11) ...',
        'pmstatus:fonts-liberation:50.0000:Configuring fonts-liberation (amd64)',
        'W: something is odd',
      ]),
    ).toEqual([
      'debug 901 │ (Reading database ... 112685 files and directories currently installed.)',
      'foreign 901 20 % installed, about 4.0 s left: Unpacking fonts-liberation (amd64)',
      'debug 901 │ Unpacking fonts-liberation (1:1.07.4-11) ...',
      'foreign 901 50 % installed, about 3.0 s left: Configuring fonts-liberation (amd64)',
      'foreign 901 W: something is odd',
    ]);
  });

  it('makes words of the container foreign lines', () => {
    expect(logged(['pmstatus:x:50:::error::pwned'])).toEqual([
      'foreign 901 50 % installed, about 0.0 s left: ::error::pwned',
    ]);
    expect(logged(['pmstatus:x:y:z', 'dlstatus:1:nan:x'])).toEqual([
      'foreign 901 pmstatus:x:y:z',
      'foreign 901 dlstatus:1:nan:x',
    ]);
    expect(isAptStatus('E: pmstatus:x:1:y')).toBe(false);
  });
});
