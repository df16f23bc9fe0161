import t from 'tap'
import { redisCluster } from '../../support/cache.ts'
import { cacheSuite } from './suite.ts'

cacheSuite(t, redisCluster)
