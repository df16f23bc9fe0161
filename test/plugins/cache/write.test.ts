import t from 'tap'
import type { UserRow } from '../../../db/users.ts'
import { startApp } from '../../support/app.ts'
import { get } from '../../support/cache.ts'

t.test('a write that keeps losing its mark is 503, and nothing of it stays', async (t) => {
  const app = await startApp(t)
  app.cache.journal.isMarked = async () => false
  const token = app.accessToken({ id: 1, email: 'admin@example.org', role: 'admin' } as UserRow)
  const { statusCode, headers } = await app.inject({
    method: 'POST',
    url: '/v1/animes',
    headers: { authorization: `Bearer ${token}` },
    payload: { title: 'Lost' },
  })
  t.equal(statusCode, 503)
  t.ok(Number(headers['retry-after']) > 0)
  t.equal(JSON.parse((await get(app, '/v1/animes')).body).total, 0)
})
