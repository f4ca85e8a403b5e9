# One image for every role: `serve` (the default), `worker`, `tables create`, `token`, `healthcheck`.

FROM python:3.13-slim AS build
WORKDIR /src
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/streamer
COPY requirements/ requirements/
# uv itself by its entry in the lock, so that its hash is checked like every other.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements/dev.txt > /tmp/uv.txt \
 && pip install --no-cache-dir --quiet --root-user-action=ignore --require-hashes -r /tmp/uv.txt \
 && uv venv --python python3 "$VIRTUAL_ENV" \
 && uv pip install --quiet --require-hashes -r requirements/otel.txt
COPY . .
# The build tools are in the lock, so nothing is fetched unchecked; they do not stay in the image.
RUN uv build --quiet --wheel --no-build-isolation --python "$VIRTUAL_ENV/bin/python" --out-dir /tmp/dist \
 && uv pip install --quiet --no-deps /tmp/dist/*.whl \
 && uv pip uninstall --quiet hatchling editables

FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin streamer
COPY --from=build /opt/streamer /opt/streamer
ENV PATH=/opt/streamer/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 \
    STREAMER_HOST=0.0.0.0 STREAMER_INTERNAL_HOST=0.0.0.0
WORKDIR /opt/streamer
USER 10001:10001
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
# A node answers on 8081, a worker on 8082.
HEALTHCHECK --interval=10s --timeout=9s --start-period=60s --retries=3 \
    CMD streamer healthcheck http://127.0.0.1:8081/livez || streamer healthcheck http://127.0.0.1:8082/livez
ENTRYPOINT ["streamer"]
CMD ["serve"]
