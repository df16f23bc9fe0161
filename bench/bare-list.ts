import { once } from 'node:events'
import http from 'node:http'
import { DatabaseSync } from 'node:sqlite'

/*
 * A minimal server to compare a streamed list with: select, JSON.stringify and write of every title, 500 at a
 * time, on the event loop.
 *
 *   bare-list.ts DATABASE
 */
const db = new DatabaseSync(process.argv[2]!, { readOnly: true })
const select = db.prepare(
  'select id, title, type, year, score, episodes, genres from animes order by id',
)

const server = http.createServer(async (request, response) => {
  if (request.url === '/') {
    response.end()
    return
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  let rows: unknown[] = []
  const write = async () => {
    const text = rows.map((row) => JSON.stringify(row)).join(',')
    rows = []
    if (!response.write(`${text},`)) await once(response, 'drain')
  }
  response.write('{"data":[')
  for (const row of select.iterate()) {
    rows.push(row)
    if (rows.length === 500) await write()
  }
  await write()
  response.end('null]}')
})
server.listen(Number(process.env.PORT), '127.0.0.1')
