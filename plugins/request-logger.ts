import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'

type Factory = NonNullable<FastifyServerOptions['childLoggerFactory']>
type Line = Parameters<FastifyBaseLogger['info']>

/**
 * A request's logger that is made when it has something to log, since a child of pino takes as long as
 * the rest of a cached answer, and a hit logs nothing.
 */
class RequestLogger {
  readonly #make: () => FastifyBaseLogger
  #made: FastifyBaseLogger | undefined

  constructor(make: () => FastifyBaseLogger) {
    this.#make = make
  }

  get #logger() {
    this.#made ??= this.#make()
    return this.#made
  }

  get level() {
    return this.#logger.level
  }

  set level(level) {
    this.#logger.level = level
  }

  child(...given: Parameters<FastifyBaseLogger['child']>) {
    return this.#logger.child(...given)
  }

  fatal(...line: Line) {
    this.#logger.fatal(...line)
  }

  error(...line: Line) {
    this.#logger.error(...line)
  }

  warn(...line: Line) {
    this.#logger.warn(...line)
  }

  info(...line: Line) {
    this.#logger.info(...line)
  }

  debug(...line: Line) {
    this.#logger.debug(...line)
  }

  trace(...line: Line) {
    this.#logger.trace(...line)
  }

  silent(...line: Line) {
    this.#logger.silent(...line)
  }
}

/** For Fastify's `childLoggerFactory`. */
export const requestLogger: Factory = (logger, bindings, options) =>
  new RequestLogger(() => logger.child(bindings, options)) as FastifyBaseLogger
