import { buildBooks } from './app.ts'

/** The second application as a process, as the checker of coherence starts it. */
const { DATABASE_URL = '', REDIS_URL } = process.env
const { app } = await buildBooks(DATABASE_URL.replace(/^sqlite:/, ''), REDIS_URL)
console.log(`Server listening at ${await app.listen({ host: '127.0.0.1', port: 0 })}`)
