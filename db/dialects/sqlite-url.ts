const scheme = 'sqlite:'

/** The file of a URL such as `sqlite:.data/anime.db`; undefined for a URL of another database. */
export const sqlitePath = (url: string): string | undefined =>
  url.startsWith(scheme) ? url.slice(scheme.length) : undefined
