# Any builder will do, `az acr build` as well: nothing here needs BuildKit.

# A tag, or a tag with its digest: --build-arg NODE_TAG=26-slim@sha256:...
ARG NODE_TAG=26-slim

# ---- production dependencies: changes only when the lock file does
FROM node:${NODE_TAG} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The optional dependency is Node itself, which the base image has; no dependency needs its install script.
# Source maps and type declarations are half of what is installed, and nothing reads them at run time.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
    && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

# ---- the image
FROM node:${NODE_TAG}
WORKDIR /app

# Nothing installs packages here, and what is absent needs no security updates. The one folder
# that may be written is for SQLite; with SQL Server the whole file system can be read-only.
RUN rm -rf /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/corepack /opt/yarn* \
      /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* \
    && mkdir .data && chown node:node .data

# From what changes least to what changes most. Everything belongs to root: the service cannot
# rewrite itself.
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY app.ts server.ts telemetry.ts config.ts compile-cache.cjs ./
COPY bin ./bin
COPY db ./db
COPY plugins ./plugins
COPY public ./public
COPY routes ./routes
COPY telemetry ./telemetry

ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000

# Last, because it differs in every build.
ARG REVISION=unknown
ENV OTEL_RESOURCE_ATTRIBUTES=service.version=${REVISION}
LABEL org.opencontainers.image.title="anime-api" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}"

# The user "node" of the base image, by number, so that a platform can see that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# Node is PID 1 on purpose: the service handles SIGTERM and SIGINT itself and starts no child
# processes, so there is nothing that an init would forward or reap.
CMD ["node", "--max-semi-space-size=4", "--require=./compile-cache.cjs", "--import=./telemetry.ts", "server.ts"]
