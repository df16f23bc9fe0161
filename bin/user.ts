import { parseArgs } from 'node:util'
import { ConfigError, loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import type { Database } from '../db/dialects/dialect.ts'
import { migrate } from '../db/migrate.ts'
import { endSessions } from '../db/refresh-tokens.ts'
import { findUser, listUsers, normalEmail, type Role } from '../db/users.ts'
import { openAccounts } from '../plugins/accounts/open.ts'
import { resetToken } from '../plugins/accounts/reset-token.ts'
import { jwtSecret } from '../plugins/accounts/secret.ts'

const usage = `usage: npm run user -- COMMAND

Shows the accounts in the database of DATABASE_URL, changes their roles, resets a password.

  list                 all accounts: e-mail, role, since when
  grant EMAIL ROLE     gives the account the role admin (user, every account has)
  revoke EMAIL admin   makes an admin a user again, and ends the account's sessions
  reset EMAIL          prints a token with which the account's password can be set,
                       once and within an hour: POST /v1/reset {"token", "password"}.
                       With Firebase, reset it there.
  --help               this text

A new role shows in the access tokens made from then on; one given out before
stands until it expires (JWT_TTL).

Exit code: 0 done (or so already), 1 not done.`

/** What the caller got wrong; one line. */
class UsageError extends Error {}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const { message, cause } = error as Error
  const known = error instanceof UsageError || error instanceof ConfigError
  console.error(`user: ${known || !cause ? message : `${message}: ${(cause as Error).message}`}`)
  process.exitCode = 1
}

async function main(argv: string[]): Promise<void> {
  const { values, positionals } = readArguments(argv)
  if (values.help) return console.log(usage)
  const [command, email, role] = positionals
  const database = await openDatabase(loadConfig().DATABASE_URL)
  try {
    await database.connect()
    await migrate(database)
    if (command === 'list') return await list(database)
    if (command === 'reset') return await reset(database, normalEmail(email!))
    await change(database, command as 'grant' | 'revoke', normalEmail(email!), role as Role)
  } finally {
    await database.close()
  }
}

function readArguments(argv: string[]) {
  let parsed: { values: { help: boolean }; positionals: string[] }
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h', default: false } },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  if (parsed.values.help) return parsed
  const [command, ...rest] = parsed.positionals
  const wanted = { list: 0, grant: 2, revoke: 2, reset: 1 }[command ?? '']
  if (wanted === undefined || rest.length !== wanted) {
    throw new UsageError(
      'wants list, grant EMAIL ROLE, revoke EMAIL ROLE or reset EMAIL; see --help',
    )
  }
  const roles = command === 'revoke' ? ['admin'] : ['user', 'admin']
  if (wanted === 2 && !roles.includes(rest[1]!)) {
    throw new UsageError(`${command}: got the role "${rest[1]}", wants ${roles.join(' or ')}`)
  }
  return parsed
}

async function list(database: Database): Promise<void> {
  const users = await listUsers(database)
  const width = Math.max(0, ...users.map(({ email }) => email.length))
  for (const { email, role, created_at } of users) {
    console.log(`${email.padEnd(width)}  ${role.padEnd(5)}  ${created_at}`)
  }
}

async function reset(database: Database, email: string): Promise<void> {
  const config = loadConfig()
  if (config.FIREBASE_PROJECT_ID !== undefined) {
    throw new UsageError('Firebase keeps the passwords; reset it there (Authentication, Users)')
  }
  const user = await findUser(database.reader, { email })
  if (user === undefined) throw new UsageError(`there is no account ${email}`)
  console.log(resetToken(await jwtSecret(config), user))
}

async function change(
  database: Database,
  command: 'grant' | 'revoke',
  email: string,
  role: Role,
): Promise<void> {
  const user = await findUser(database.reader, { email })
  if (user === undefined) throw new UsageError(`there is no account ${email}`)
  const log = { error: (_: object, message: string) => console.error(`user: ${message}`) }
  const accounts = await openAccounts(loadConfig(), database, log)
  const revoked = command === 'revoke'
  // An admin is a user too, so granting that takes nothing away.
  const next = revoked ? 'user' : user.role === 'admin' ? 'admin' : role
  try {
    await accounts.setRole(user, next)
    if (revoked) await endSessions(database, { user_id: user.id })
  } finally {
    await accounts.close()
  }
  console.log(`${email} ${next === user.role ? 'still has' : 'now has'} the role ${next}`)
}
