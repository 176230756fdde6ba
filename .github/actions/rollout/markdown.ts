/** Text as text, whatever it holds: neither Markdown nor HTML. Line breaks stay. */
export const plain = (text: string) => text.replace(/[\\`*_{}[\]()<>#|!~&@$"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Text for a table's cell or a line: what it holds is never markup. */
export const cell = (text: string) => plain(text.replace(/[\r\n]+/g, ' '));
