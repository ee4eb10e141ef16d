# An image of the Python package and its command, on Python's slim image. It was written where no container can
# be built or run: nobody has built it yet. What it does is what scripts/build-wheels does, which is run.
#
#   docker build -t manyhands .
#   docker run --rm -v "$PWD:/data" -w /data manyhands clean in.csv -o out.csv --trim all
#
# For builds that can be repeated, give both images by digest: --build-arg RUST=rust@sha256:... and PYTHON=python@sha256:...
# Crates are those of Cargo.lock.
ARG RUST=rust:1.91-slim-bookworm
ARG PYTHON=python:3.13-slim-bookworm

FROM ${RUST} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /tools \
 && /tools/bin/pip install --no-cache-dir 'maturin>=1.16,<2'
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    /tools/bin/maturin build --locked --release --out /wheels

FROM ${PYTHON}
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl \
 && useradd --create-home user
USER user
ENTRYPOINT ["manyhands"]
CMD ["--help"]
