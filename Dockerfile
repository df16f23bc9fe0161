# Any builder will do, `az acr build` as well: nothing here needs BuildKit.

# A tag, or a tag with its digest: --build-arg NODE_TAG=26-slim@sha256:...
ARG NODE_TAG=26-slim

# ---- production dependencies: changes only when the lock file does
FROM node:${NODE_TAG} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The optional dependency is Node itself, which the base image has; no dependency needs its install script.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

# ---- the bundler alone of what is for development, as the lock file has it
FROM node:${NODE_TAG} AS tools
WORKDIR /tools
COPY package.json package-lock.json ./
RUN npm pkg set --json devDependencies="{\"esbuild\":$(npm pkg get devDependencies.esbuild)}" \
    && npm pkg delete dependencies optionalDependencies overrides \
    && npm install --ignore-scripts --no-audit --no-fund

# ---- the service's files, and of the dependencies what they can load, bundled
FROM dependencies AS pruned
COPY --from=tools /tools/node_modules ./deploy/node_modules
COPY app.ts server.ts telemetry.ts config.ts dot-env.ts compile-cache.cjs ./
COPY bin ./bin
COPY catalogue ./catalogue
COPY db ./db
COPY plugins ./plugins
COPY public ./public
COPY routes ./routes
COPY schemas ./schemas
COPY telemetry ./telemetry
COPY deploy/pack.ts deploy/prune.ts ./deploy/
RUN node --experimental-import-meta-resolve deploy/pack.ts . \
    && node --experimental-import-meta-resolve deploy/prune.ts . \
    && rm -rf node_modules/.bin deploy package-lock.json && find node_modules -type d -empty -delete
RUN mv node_modules /modules

# ---- the service
FROM node:${NODE_TAG} AS service
WORKDIR /app

# Nothing installs packages here, and what is absent needs no security updates. The one folder
# that may be written is for SQLite; with SQL Server the whole file system can be read-only.
RUN rm -rf /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/corepack /opt/yarn* \
      /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* \
    && mkdir .data && chown node:node .data

# From what changes least to what changes most. Everything belongs to root: the service cannot
# rewrite itself.
COPY --from=pruned /modules ./node_modules
COPY --from=pruned /app ./

ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000

# The user "node" of the base image, by number, so that a platform can see that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM

# Not healthy before the database could be used, which takes a paused one a minute; healthy from then on.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# Node is PID 1 on purpose: the service handles SIGTERM and SIGINT itself, and starts no child processes but
# those of WORKERS, which it ends itself, so there is nothing that an init would forward or reap.
CMD ["node", "--expose-gc", "--require=./compile-cache.cjs", "--import=./telemetry.ts", "server.ts"]

# ---- types stripped and scripts compiled: the running service may not write that down
FROM service AS compiled
USER 0:0
RUN mkdir node_modules/.cache && chown 1000:1000 node_modules/.cache
# As the user and with the flags of the service, which Node's cache is bound to; on another kind of CPU
# Node takes no notice of it. Nobody answers at these addresses: they load what Azure's settings load.
USER 1000:1000
RUN export DATABASE_URL='mssql://127.0.0.1:9/anime?authentication=azure-active-directory-default' \
      REDIS_URL=redis://127.0.0.1:9 JWT_SECRET=of-this-build-alone-of-this-build-alone \
      APPLICATIONINSIGHTS_CONNECTION_STRING='InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=http://127.0.0.1:9/'; \
    node --expose-gc --require=./compile-cache.cjs --import=./telemetry.ts server.ts & \
    until node -e "fetch('http://127.0.0.1:' + process.env.PORT + '/health/ready').then(() => process.exit(0), () => process.exit(1))"; \
    do kill -0 $! || exit 1; sleep 1; done; \
    kill -TERM $!; wait $!

# ---- the image
FROM service
COPY --from=compiled /app/node_modules/.cache ./node_modules/.cache

# Last, because it differs in every build.
ARG REVISION=unknown
ENV OTEL_RESOURCE_ATTRIBUTES=service.version=${REVISION}
LABEL org.opencontainers.image.title="anime-api" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}"
