import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/** The variables in the `.env` file of the working directory; none if there is no such file. */
export function readDotEnv(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync('.env', 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}
