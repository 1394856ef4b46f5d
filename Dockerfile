# The steps are the make targets. No container engine was at hand where this file was written: it is untested there.
FROM golang:1.26-bookworm AS build
COPY --from=node:20-bookworm-slim /usr/local /usr/local/node
ENV PATH=/usr/local/node/bin:$PATH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=container
RUN make build VERSION=$VERSION && mkdir /empty

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/careline /careline
COPY --from=build --chown=65532:65532 /empty /data
ENV CARELINE_DATA_DIR=/data
VOLUME /data
USER 65532:65532
EXPOSE 7880/tcp 7881/tcp 7882/udp 3478/tcp 3478/udp 5349/tcp
ENTRYPOINT ["/careline"]
CMD ["serve"]
