/** Why rows are left out, the same on both databases. */
export const earlierRow = (columns: readonly string[]): string =>
  `an earlier row has this ${columns.join(', ')}`

export const severalTitles = (columns: readonly string[]): string =>
  `several titles have this ${columns.join(', ')}: an id must tell which`
