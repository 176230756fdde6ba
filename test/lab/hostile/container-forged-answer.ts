import type { Container } from '../container.ts';

/**
 * Makes what observes the container put some thousand GPUs into its answer again and again: by a base64 that doesn't encode what it
 * is given, but 0.4 MB of its own.
 */
export async function answerWithoutEnd(container: Container): Promise<void> {
  const gpu = '0, GPU-00000000-0000-0000-0000-000000000000, NVIDIA H100, 580.159.04, 0000:00:06.0, 81559 MiB';
  await container.writeFile(
    '/usr/local/sbin/base64',
    `#!/bin/sh\nyes '${gpu}' | head -n 5000 | /usr/bin/base64\n`,
    '0755',
  );
}

/**
 * Makes what observes the container find records among its answer that no probe prints: device nodes without numbers, an
 * exit code that is none, a field as long as a file.
 */
export async function answerFalsely(container: Container): Promise<void> {
  await container.writeFile(
    '/usr/local/sbin/dpkg',
    `#!/bin/sh
/usr/bin/dpkg "$@"
case $* in
  --print-architecture)
    printf 'node\\t/dev/nvidia0\\tzz\\t-1\\tbogus\\nnode\\n'
    printf 'space\\t/x\\t-\\n'
    printf 'toolkit\\t/usr/local/cuda-1\\tNaN\\t\\n'
    printf 'library\\t%060000d/libcuda.so.1.1\\n' 0
    ;;
esac
`,
    '0755',
  );
}
