# Two static binaries on an empty image: minifed, and the WeChat simulator for the profile "demo" of docker-compose.yml.
#
# REGISTRY, with a slash at its end, is a mirror of the base image's registry, and GOPROXY one of Go modules:
#
#   docker build --build-arg REGISTRY=registry.example.com/library/ --build-arg GOPROXY=https://goproxy.example.com .
ARG REGISTRY=
FROM ${REGISTRY}golang:1.26.8-bookworm AS build
ARG GOPROXY
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/minifed ./cmd/minifed
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/wechatsim ./cmd/wechatsim
RUN mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/minifed /out/wechatsim /bin/
# A named volume starts with the owner of the folder that it is mounted over.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /
ENV MINIFED_DATA_DIR=/data \
    MINIFED_LISTEN_ADDRESS=0.0.0.0:8080 \
    MINIFED_LOG_FORMAT=json
EXPOSE 8080
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/bin/minifed", "healthcheck"]
ENTRYPOINT ["/bin/minifed"]
CMD ["serve"]
