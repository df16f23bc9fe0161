import t from 'tap'
import { singleRedis } from '../../support/cache.ts'
import { cacheSuite } from './suite.ts'

cacheSuite(t, singleRedis)
