# The page with the bundled model, for visitors you do not know. docs/hosting.md says how to build, run and change it.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
# For example --index-url with PyTorch's index of CPU builds, which are much smaller.
ARG TORCH_OPTIONS=""
WORKDIR /src
COPY . .
RUN python -m venv /opt/neoxjp \
    && /opt/neoxjp/bin/pip install --no-cache-dir torch $TORCH_OPTIONS \
    && /opt/neoxjp/bin/pip install --no-cache-dir .

FROM python:3.11-slim
# gcc builds the kernels for the processor that the container runs on, at the first start.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 neoxjp
COPY --from=build /opt/neoxjp /opt/neoxjp
USER neoxjp
# The file system may be read-only: only /tmp is written to (kernels, Gradio's and Python's temporary files).
ENV PATH=/opt/neoxjp/bin:$PATH XDG_CACHE_HOME=/tmp/cache HF_HOME=/tmp/huggingface MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["neoxjp", "app", "--public", "--engine-process", "--host", "0.0.0.0", "--server-port", "7860"]
