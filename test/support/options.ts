/** What `parse` gives; or, where it throws, ends the process with a line that says why, and the usage. */
export function readOptions<T>(command: string, usage: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    console.error(`${command}: ${(error as Error).message}\n\n${usage}`)
    return process.exit(1)
  }
}
