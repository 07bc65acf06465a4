# kneebundle on processors:
#
#     docker build -t kneebundle .
#     docker run --rm kneebundle                       # kneebundle doctor
#     docker run --rm --user "$(id -u)" -v "$PWD/films:/films:ro" -v "$PWD/results:/results" \
#         kneebundle predict /films -o /results
#     docker run -d --restart unless-stopped -p 11112:11112 -v kneebundle-queue:/queue \
#         kneebundle serve /queue --pacs AE@HOST:PORT --allow AE
#     docker run -d --restart unless-stopped -v kneebundle-queue:/queue -e KNEEBUNDLE_DICOMWEB_TOKEN \
#         kneebundle serve /queue --dicomweb https://HOST/dicom-web
#
# The status page of serve is on 127.0.0.1 of the container: docker exec, or --network host. STOW-RS (--stow-port 8091
# --stow-listen 0.0.0.0 with a token, and -p 8091:8091) is off if nobody asks for it.
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /dist && cp constraints.txt /dist

FROM python:3.12-slim
# torch from the index of its builds for processors, which are a tenth of the size
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    pip install --no-cache-dir --constraint /dist/constraints.txt --index-url https://download.pytorch.org/whl/cpu \
        --extra-index-url https://pypi.org/simple "torch==$(sed -n 's/^torch==//p' /dist/constraints.txt)+cpu" \
    && pip install --no-cache-dir --constraint /dist/constraints.txt "$(ls /dist/*.whl)[dicom]"

RUN useradd --create-home --uid 1000 kneebundle \
    && install -d --owner kneebundle /queue
# whoever runs it may keep the networks that it exports
ENV XDG_CACHE_HOME=/tmp/cache
USER kneebundle
WORKDIR /home/kneebundle
EXPOSE 11112 8091
# of serve alone: nothing else makes a queue of /queue
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "import pathlib, urllib.request as web; pathlib.Path('/queue/.kneebundle').exists() and web.urlopen('http://127.0.0.1:8090/health', timeout=4)"]
ENTRYPOINT ["kneebundle"]
CMD ["doctor"]
