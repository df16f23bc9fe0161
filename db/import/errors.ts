/** Nothing was done; `message` says why in one line. */
export class ImportError extends Error {
  override name = 'ImportError'
}
