/** Text for a table's cell: what it holds is never markup. */
export const cell = (text: string) =>
  text.replace(/[\r\n]+/g, ' ').replace(/[\\`*_{}[\]()<>#|!~&@$]/g, (sign) => `&#${sign.charCodeAt(0)};`);
