import t from 'tap'
import { redisCluster } from '../../support/cache.ts'
import { importSuite } from './import-suite.ts'
import { catalogue } from './subjects.ts'
import { cacheSuite } from './suite.ts'

cacheSuite(t, redisCluster, catalogue)
importSuite(t, redisCluster)
