import type { Container } from '../container.ts';

/**
 * Makes the container's apt-get print 19,000 lines of 65,000 characters with three bytes each before it installs anything:
 * 3.7 GB, in lines just as long and just as many as were once kept whole.
 */
export async function printEndlessly(container: Container): Promise<void> {
  await container.writeFile(
    '/usr/local/sbin/apt-get',
    `#!/bin/sh
case $* in
  *install*)
    perl -e 'print "\\xe2\\x82\\xac" x 65000, "\\n" for 1 .. 19000'
    ;;
esac
exec /usr/bin/apt-get "$@"
`,
    '0755',
  );
}
