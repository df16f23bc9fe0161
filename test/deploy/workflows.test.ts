import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import t from 'tap'
import { parse } from 'yaml'

// GitHub's own parser imports JSON the way bundlers understand it; Node wants to be told the type.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context),
})
const { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } = await import(
  '@actions/workflow-parser'
)

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}
interface Job {
  uses?: string
  steps?: Step[]
  environment?: unknown
  permissions?: Record<string, string>
  'timeout-minutes'?: number
}
interface Workflow {
  permissions: Record<string, string>
  concurrency: unknown
  jobs: Record<string, Job>
}

const root = new URL('../../', import.meta.url)
const folder = new URL('.github/workflows/', root)
const names = (await readdir(folder)).filter((name) => name.endsWith('.yml'))

for (const name of names) {
  const content = await readFile(new URL(name, folder), 'utf8')
  const workflow = parse(content) as Workflow
  const jobs = Object.entries(workflow.jobs)
  const steps = jobs.flatMap(([, job]) => job.steps ?? [])

  t.test(`${name} is a workflow that GitHub accepts`, async (t) => {
    const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter())
    t.strictSame(
      context.errors.getErrors().map((error) => error.message),
      [],
    )
    const template = await convertWorkflowTemplate(context, value!)
    t.strictSame(template.errors ?? [], [])
    t.equal(template.jobs.length, jobs.length)
  })

  t.test(`${name} may do no more than it must`, async (t) => {
    t.strictSame(workflow.permissions, { contents: 'read' })
    t.ok(workflow.concurrency, 'two runs do not get in each other’s way')
    t.notMatch(content, /secrets\./, 'no stored secret')
    for (const [id, job] of jobs) {
      if (job.uses === undefined) {
        t.ok(job['timeout-minutes'], `${id} ends`)
        const azure = job.steps!.some((step) => step.uses?.startsWith('azure/login@'))
        t.equal(azure, job.permissions?.['id-token'] === 'write', `${id}: OIDC where Azure is used`)
        t.equal(azure, job.environment !== undefined, `${id}: and an environment to approve it`)
      }
    }
    for (const { run = '' } of steps) {
      t.notMatch(run, /\$\{\{/, 'a script gets values as variables, never as its own text')
    }
  })

  t.test(`${name} names what it uses`, async (t) => {
    for (const uses of [...jobs.map(([, job]) => job.uses), ...steps.map((step) => step.uses)]) {
      if (uses === undefined) continue
      if (uses.startsWith('./')) t.ok(existsSync(new URL(uses, root)), uses)
      else t.match(uses, /^[\w-]+\/[\w./-]+@[0-9a-f]{40}$/, 'a commit, since a tag can be moved')
      if (uses.startsWith('actions/checkout@')) {
        const checkout = steps.find((step) => step.uses === uses)
        t.equal(checkout?.with?.['persist-credentials'], false, 'no token is left in the checkout')
      }
    }
    for (const [script] of content.matchAll(/deploy\/[\w-]+\.sh/g)) {
      t.ok(existsSync(new URL(script, root)), script)
    }
  })
}

t.test('the variables that the workflows read are those that Terraform puts out', async (t) => {
  const outputs = await readFile(new URL('terraform/outputs.tf', root), 'utf8')
  const given = new Set([...outputs.matchAll(/GitHub variable (\w+)/g)].map(([, name]) => name))
  // The subscription is what the operator began with; the runner, if any, stands in the network.
  given.add('AZURE_SUBSCRIPTION_ID').add('AZURE_RUNNER')
  const read = new Set<string>()
  for (const name of names) {
    const content = await readFile(new URL(name, folder), 'utf8')
    for (const [, variable] of content.matchAll(/vars\.(\w+)/g)) read.add(variable!)
  }
  t.strictSame([...read].sort(), [...given].sort())
})

t.test('the environments that deploy are those whose tokens Azure accepts', async (t) => {
  const github = await readFile(new URL('terraform/github.tf', root), 'utf8')
  const accepted = JSON.parse(/toset\((\[".*"\])\)/.exec(github)![1]!) as string[]
  const { jobs } = parse(await readFile(new URL('deploy.yml', folder), 'utf8')) as Workflow
  const image = parse(await readFile(new URL('image.yml', folder), 'utf8')) as Workflow
  const used = [...Object.values(jobs), ...Object.values(image.jobs)]
    .map(({ environment }) => (environment as { name?: string } | undefined)?.name ?? environment)
    .filter((name) => name !== undefined)
  t.strictSame([...new Set(used)].sort(), accepted.sort())
})
