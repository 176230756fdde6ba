import fc from 'fast-check';

/** Any text: all of Unicode, and often what has a meaning to terminals, runners, HTML and shells. */
export const anyText = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCodePoint(code)),
      fc.constantFrom('\n', '\r\n', '\t', '\u001b[31m', '::', '##[', '<b>', '</pre>', '&', '"', "'", '$(id)', ';'),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''));
