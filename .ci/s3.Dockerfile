# A stand-in for the S3 emulator's image: the same release, on a Debian that has Python 3.13. Made by .ci/images.
ARG BASE
FROM ${BASE}
COPY packages/ /opt/ministack/
RUN ln -sf /usr/bin/python3 /usr/local/bin/python
ENV PYTHONPATH=/opt/ministack GATEWAY_PORT=4566 PYTHONUNBUFFERED=1
EXPOSE 4566
ENTRYPOINT ["python", "-m", "ministack"]
