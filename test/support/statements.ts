import { StatementSync } from 'node:sqlite'

let statements: string[] = []

for (const method of ['all', 'get', 'run', 'iterate'] as const) {
  const original = StatementSync.prototype[method]
  Object.assign(StatementSync.prototype, {
    [method](this: StatementSync, ...values: unknown[]) {
      statements.push(this.sourceSQL)
      return Reflect.apply(original, this, values)
    },
  })
}

/** The SQL that this process has run on SQLite since the last call. */
export function sentStatements(): string[] {
  const since = statements
  statements = []
  return since
}
