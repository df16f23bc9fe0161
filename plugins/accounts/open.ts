import type { Config } from '../../config.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { builtinAccounts } from './builtin.ts'
import type { AccountProvider, ErrorLog } from './provider.ts'
import { jwtSecret } from './secret.ts'

/** The provider that the settings name; Firebase's SDK is loaded only for FIREBASE_PROJECT_ID. */
export async function openAccounts(
  config: Config,
  database: Database,
  log: ErrorLog,
): Promise<AccountProvider> {
  if (config.FIREBASE_PROJECT_ID === undefined) {
    return builtinAccounts(database, await jwtSecret(config))
  }
  const { firebaseAccounts } = await import('./firebase.ts')
  return firebaseAccounts(config, database, log)
}
