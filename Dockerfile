# emotalk on two CPU cores, as a user without rights: docker build -t emotalk . && docker run -p 7860:7860 emotalk
# Others can reach it, so strangers' limits hold; `docker run -e EMOTALK_PUBLIC=0 ...` makes it one's own (docs/app.md).
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg flite libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 emotalk

WORKDIR /home/emotalk/app
# `--build-arg PIP_EXTRA_INDEX_URL=...` with PyTorch's index of CPU builds makes the image several gigabytes smaller.
ARG PIP_EXTRA_INDEX_URL=""
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

COPY app.py LICENSE NOTICE README.md ./
COPY emotalk emotalk
COPY checkpoints checkpoints
# The code belongs to root: the app can read and run it, not change it.
USER emotalk
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 GRADIO_ANALYTICS_ENABLED=False
RUN python -m emotalk warmup
EXPOSE 7860
CMD ["python", "app.py"]
