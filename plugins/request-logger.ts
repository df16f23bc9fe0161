import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'

type Factory = NonNullable<FastifyServerOptions['childLoggerFactory']>
type Line = Parameters<FastifyBaseLogger['info']>

/**
 * A request logger that creates its pino child on first use. To create one takes as long as to answer a
 * cached request, and a hit logs nothing.
 */
class RequestLogger {
  readonly #create: () => FastifyBaseLogger
  #created: FastifyBaseLogger | undefined

  constructor(create: () => FastifyBaseLogger) {
    this.#create = create
  }

  get #logger() {
    this.#created ??= this.#create()
    return this.#created
  }

  get level() {
    return this.#logger.level
  }

  set level(level) {
    this.#logger.level = level
  }

  child(...args: Parameters<FastifyBaseLogger['child']>) {
    return this.#logger.child(...args)
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

/** Fastify's `childLoggerFactory`. */
export const requestLogger: Factory = (logger, bindings, options) =>
  new RequestLogger(() => logger.child(bindings, options)) as FastifyBaseLogger
