import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const cli = new URL('cli.ts', import.meta.url).pathname

/**
 * Runs a broken build in a process of its own.
 * @returns what it prints
 * @throws Error when it is not caught
 */
export async function catches(mutant: string, ...options: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    cli,
    '--mutant',
    mutant,
    ...options,
  ])
  return stdout
}
