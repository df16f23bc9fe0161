import { readdir, readFile } from 'node:fs/promises'
import { parse } from '@cdktn/hcl2json'
import t from 'tap'
import { fileNames } from '../../catalogue/columns.ts'
import { csvHeader } from '../../db/import/generate.ts'

const root = new URL('../../', import.meta.url)
const text = await readFile(new URL('terraform/pipelines/import_animes.json', root), 'utf8')
const hcl = await readFile(new URL('terraform/datafactory.tf', root), 'utf8')

interface Typed {
  name: string
  type: string
}
interface Expression {
  value: string
  type: string
}
interface Reference {
  referenceName: string
  parameters: Record<string, unknown>
}
interface Activity extends Typed {
  dependsOn: { activity: string; dependencyConditions: string[] }[]
  policy: { retry: number }
}
interface Copy extends Activity {
  inputs: [Reference]
  outputs: [Reference]
  typeProperties: {
    source: { additionalColumns: { name: string; value: Expression }[] }
    sink: { preCopyScript: string }
    translator: { type: string; mappings: { source: Typed; sink: Typed }[] }
    logSettings: { logLocationSettings: { linkedServiceName: Reference; path: string } }
  }
}
interface Upsert extends Activity {
  linkedServiceName: Reference
  typeProperties: {
    storedProcedureName: string
    storedProcedureParameters: Record<string, { value: Expression; type: string }>
  }
}
type Block = Record<string, unknown>

const [copy, upsert, ...rest] = JSON.parse(text) as [Copy, Upsert]
const { resource } = (await parse('datafactory.tf', hcl)) as {
  resource: Record<string, Record<string, [Block]>>
}
const only = (type: string) => Object.values(resource[type] ?? {})[0]![0]
const csv = only('azurerm_data_factory_dataset_delimited_text')
const staging = only('azurerm_data_factory_dataset_azure_sql_table')
const pipeline = only('azurerm_data_factory_pipeline')
const trigger = only('azurerm_data_factory_trigger_blob_event')
const parameters = pipeline.parameters as Block
const passed = (trigger.pipeline as [{ parameters: Block }])[0].parameters

t.test('the copy maps the columns as the importer does', async (t) => {
  const { translator, source } = copy.typeProperties
  t.equal(translator.type, 'TabularTranslator')
  const mapped = translator.mappings.map((m) => [m.sink.name, m.source.name])
  const added = source.additionalColumns.map((column) => [column.name, column.name])
  t.strictSame(Object.fromEntries(mapped), { ...fileNames, ...Object.fromEntries(added) })
  t.equal(mapped.length, Object.keys(fileNames).length + added.length, 'no column twice')
  for (const column of Object.values(fileNames)) t.ok(csvHeader.includes(column), column)
  for (const { source, sink } of translator.mappings) {
    t.strictSame([source.type, sink.type], ['String', 'String'], 'raw text: SQL does the cleaning')
  }
})

t.test('each run is a batch of its own, and forgets those before it', async (t) => {
  const run = { value: "@concat('factory ', pipeline().RunId)", type: 'Expression' }
  const { source, sink } = copy.typeProperties
  t.strictSame(source.additionalColumns, [{ name: 'batch', value: run }])
  t.equal(sink.preCopyScript, "DELETE FROM dbo.animes_staging WHERE batch LIKE 'factory %'")
  t.equal(pipeline.concurrency, 1, 'so none of them is of a run that goes on')
  const { storedProcedureName, storedProcedureParameters } = upsert.typeProperties
  t.equal(storedProcedureName, '[dbo].[import_animes]')
  t.strictSame(Object.keys(storedProcedureParameters), ['batch', 'replace'])
  t.strictSame(storedProcedureParameters.batch?.value, run)
  t.equal(upsert.policy.retry, 0, 'and an upsert that may have committed is not repeated')
})

t.test('the upsert runs after a copy that succeeded, and nothing else runs', async (t) => {
  t.strictSame([copy.type, upsert.type, rest.length], ['Copy', 'SqlServerStoredProcedure', 0])
  t.strictSame(upsert.dependsOn, [{ activity: copy.name, dependencyConditions: ['Succeeded'] }])
})

t.test('what the pipeline names, Terraform makes', async (t) => {
  const services = Object.entries(resource)
    .filter(([type]) => type.startsWith('azurerm_data_factory_linked_service'))
    .flatMap(([, named]) => Object.values(named).map(([block]) => block.name))
  t.ok(services.includes(upsert.linkedServiceName.referenceName))
  const log = copy.typeProperties.logSettings.logLocationSettings
  t.ok(services.includes(log.linkedServiceName.referenceName))
  t.match(copy.inputs, [{ referenceName: csv.name }])
  t.match(copy.outputs, [{ referenceName: staging.name }])
  t.strictSame(
    Object.keys(copy.inputs[0].parameters).sort(),
    Object.keys(csv.parameters as Block).sort(),
  )
  t.match(
    await readFile(new URL('terraform/storage.tf', root), 'utf8'),
    `name                  = "${log.path}"`,
  )
})

t.test('the trigger and the defaults give each parameter that is read', async (t) => {
  const read = new Set(
    [...text.matchAll(/pipeline\(\)\.parameters\.(\w+)/g)].map(([, name]) => name),
  )
  t.strictSame([...read].sort(), Object.keys(parameters).sort())
  t.strictSame(Object.keys(passed).sort(), Object.keys(parameters).sort())
  t.equal(parameters.replace, 'false', 'a file adds and changes; it never removes by itself')
})

t.test('the file is read as RFC 4180 has it, with "?" for unknown', async (t) => {
  t.match(csv, {
    column_delimiter: ',',
    quote_character: '"',
    escape_character: '"',
    first_row_as_header: true,
    encoding: 'UTF-8',
    null_value: '?',
  })
})

t.test('the schema makes the table and the procedure that are used', async (t) => {
  const at = new URL('db/', root)
  const names = (await readdir(at, { recursive: true })).filter((name) => name.endsWith('.ts'))
  const sources = await Promise.all(names.map((name) => readFile(new URL(name, at), 'utf8')))
  for (const name of [String(staging.table), 'import_animes']) {
    t.ok(
      sources.some((source) => source.includes(name)),
      name,
    )
  }
})
