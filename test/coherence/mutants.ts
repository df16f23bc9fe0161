/** A change of one file's text: `find` must stand there exactly once. */
interface Patch {
  file: string
  find: string
  replace: string
}

const afterQuery = 'const { rows, total, more } = await listAnimes(database, query)'

/**
 * What the checker does to every instance it runs: places where it may be slow, or die (`chaos` in
 * preload.ts decides). They break no rule.
 */
export const chaos: Patch[] = [
  {
    file: 'routes/animes.ts',
    find: afterQuery,
    replace: `${afterQuery}\n      await globalThis.chaos('queried')`,
  },
  {
    file: 'plugins/cache/write.ts',
    find: 'marked = { change, mark: await cache.journal.mark(change) }',
    replace: `await globalThis.chaos('before the mark')
        marked = { change, mark: await cache.journal.mark(change) }
        await globalThis.chaos('marked')`,
  },
  {
    file: 'plugins/cache/write.ts',
    find: 'return { ...marked!, result }',
    replace: `await globalThis.chaos('committed')
      return { ...marked!, result }`,
  },
  {
    file: 'plugins/cache/write.ts',
    find: 'await deleteOutboxMark(',
    replace: `await globalThis.chaos('finished')
  await deleteOutboxMark(`,
  },
]

export interface Mutant {
  patches: Patch[]
  /** The faults that bring it to light soonest; any where none are named. */
  faults?: string[]
}

/** Each rule of the cache, broken. The checker must tell every one from the real service. */
export const mutants: Record<string, Mutant> = {
  'rule 2: a change counts only as the new row': {
    patches: [
      {
        file: 'routes/animes-write.ts',
        find: 'change: [imageOf(before), imageOf(result)]',
        replace: 'change: [imageOf(result)]',
      },
    ],
    faults: [],
  },
  'rule 3: versions are read after the database': {
    patches: [
      {
        file: 'plugins/cache/protocol.ts',
        find: 'await journal.store(fill,',
        replace:
          '(await journal.catchUp(() => {}), await journal.store({ ...fill, version: replica.version },',
      },
      {
        file: 'plugins/cache/protocol.ts',
        find: '() => pack(entry, grown), lifetime)',
        replace: '() => pack(entry, grown), lifetime))',
      },
    ],
    faults: [],
  },
  'rule 4: hits are not checked': {
    patches: [
      {
        file: 'plugins/cache/protocol.ts',
        find: 'const awake = wake()',
        replace: 'if (Math.random() >= 0.2) return lookNow(true)\n    const awake = wake()',
      },
    ],
    faults: [],
  },
  'rule 4: a request joins a read already sent': {
    patches: [
      { file: 'plugins/cache/checks.ts', find: 'gathering = undefined\n', replace: '' },
      {
        file: 'plugins/cache/checks.ts',
        find: 'tellAll(lot.most, current)',
        replace: 'if (gathering === lot) gathering = undefined\n      tellAll(lot.most, current)',
      },
      {
        file: 'plugins/cache/redis-journal.ts',
        find: 'if (slotOwner(client)',
        replace: 'await sleep(Math.random() * 20)\n    if (slotOwner(client)',
      },
    ],
    faults: [],
  },
  'rule 5: what is held outlives its epoch': {
    patches: [
      {
        file: 'plugins/cache/protocol.ts',
        find: 'memory.clear()\n      tree.clear()',
        replace: '',
      },
    ],
    faults: ['redis killed and restarted empty', 'redis flushed'],
  },
  'rule 6: a write is not marked': {
    patches: [
      {
        file: 'plugins/cache/redis-journal.ts',
        find: 'await tell(() => run.mark(id, textOf(change), markLease, randomToken()))',
        replace: '1',
      },
      {
        file: 'plugins/cache/redis-journal.ts',
        find: 'return held === undefined ? undefined : held === 1',
        replace: 'return true',
      },
    ],
    faults: [],
  },
  'rule 6: the outbox is not read': {
    patches: [
      {
        file: 'plugins/cache/relay.ts',
        find: 'const rows = await read()',
        replace: 'const rows: OutboxRow[] = []',
      },
    ],
    faults: ['redis paused'],
  },
  'rule 7: a request joins a running query': {
    patches: [
      {
        file: 'plugins/cache/flights.ts',
        find: 'const next = waiting.get(key)',
        replace: 'const next = before',
      },
    ],
    faults: [],
  },
}
