import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import autocannon from 'autocannon'

const run = promisify(execFile)

/** Loads a URL and returns the answers per second. */
export type Load = (
  url: string,
  headers: Record<string, string>,
  seconds: number,
  connections?: number,
) => Promise<number>

/** Default number of connections. Each sends its next request as soon as it has the answer. */
export const connections = 50

/** Uses `wrk` if it is installed, since one autocannon process is slower than the service. */
export async function findLoadTool(): Promise<{ load: Load; tool: string }> {
  const installed = await run('wrk', ['-v']).then(
    () => true,
    (error) => error.code !== 'ENOENT',
  )
  return installed ? { load: wrk, tool: 'wrk' } : { load: cannon, tool: 'autocannon' }
}

const wrk: Load = async (url, headers, seconds, clients = connections) => {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-t1', `-c${clients}`, `-d${seconds}s`, ...fields, url]
  const { stdout } = await run('wrk', args)
  // Timeouts are tolerated: on a busy machine they are only slow answers.
  if (/Non-2xx|Socket errors: (?!connect 0, read 0, write 0)/.test(stdout))
    throw new Error(`${url}: ${stdout}`)
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]
  if (rate === undefined) throw new Error(`no rate in the output of wrk: ${stdout}`)
  return Number(rate)
}

const cannon: Load = async (url, headers, seconds, clients = connections) => {
  const { requests, non2xx, errors } = await autocannon({
    url,
    headers,
    connections: clients,
    duration: seconds,
    workers: 2,
  })
  if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} failures, ${errors} errors`)
  return requests.average
}
