import { createHash } from 'node:crypto';

/** The sha256 of bytes, or of a text's UTF-8, as `sha256sum` says it: 64 lower-case hexadecimal digits. */
export function sha256Of(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
