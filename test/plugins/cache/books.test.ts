import t from 'tap'
import { singleRedis } from '../../support/cache.ts'
import { books } from './subjects.ts'
import { cacheSuite } from './suite.ts'

// An application that knows nothing of the catalogue keeps the same promises.
cacheSuite(t, singleRedis, books)
