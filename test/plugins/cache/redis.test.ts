import t from 'tap'
import { singleRedis } from '../../support/cache.ts'
import { importSuite } from './import-suite.ts'
import { catalogue } from './subjects.ts'
import { cacheSuite } from './suite.ts'

cacheSuite(t, singleRedis, catalogue)
importSuite(t, singleRedis)
