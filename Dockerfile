# The image of bids_labelx, from a clone: docker build -t bids_labelx .
#
# Build arguments:
#   PYTHON_VERSION        3.11 or newer
#   TEMPLATEFLOW_ATLASES  atlases to have in the image, as in
#                         "Schaefer2018:100Parcels7Networks Schaefer2018:400Parcels7Networks"
#   TEMPLATEFLOW_SPACE    the space to have them in
#   PIP_…                 pip's own settings, where packages come from elsewhere than usual
ARG PYTHON_VERSION=3.12

# Wheels of all that is locked, and of the package itself. What makes them stays out of the image.
FROM python:${PYTHON_VERSION}-slim-bookworm AS wheels
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock ./
RUN pip wheel -q --require-hashes --wheel-dir /wheels/locked -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bids_labelx bids_labelx
RUN pip wheel -q --no-deps --wheel-dir /wheels/own .

# What is locked is a layer of its own, which the images of many versions share.
FROM python:${PYTHON_VERSION}-slim-bookworm AS app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN --mount=type=bind,from=wheels,source=/wheels/locked,target=/wheels \
    pip install -q --no-index --no-deps /wheels/*.whl && \
    pip check
# The home folder fits any user; nothing needs to write to the rest.
ENV NO_ET=1 \
    HOME=/home/bids_labelx \
    MPLCONFIGDIR=/opt/matplotlib \
    NIPYPE_CONFIG_DIR=/opt/nipype \
    TEMPLATEFLOW_HOME=/opt/templateflow
RUN useradd --create-home --uid 1000 bids_labelx && \
    chmod 1777 "$HOME" && \
    mkdir "$NIPYPE_CONFIG_DIR" "$TEMPLATEFLOW_HOME" && \
    python -c 'import matplotlib.font_manager'
RUN --mount=type=bind,from=wheels,source=/wheels/own,target=/wheels \
    pip install -q --no-index --no-deps /wheels/*.whl && \
    pip check
COPY docker/launcher.py /usr/local/bin/bids_labelx

# The atlases asked for, without the empty files that TemplateFlow's client puts beside them.
FROM app AS atlases
ARG TEMPLATEFLOW_ATLASES=""
ARG TEMPLATEFLOW_SPACE=MNI152NLin2009cAsym
RUN set -f; for atlas in $TEMPLATEFLOW_ATLASES; do \
      bids_labelx --fetch-atlas "$atlas" --space "$TEMPLATEFLOW_SPACE" || exit; \
    done; \
    find "$TEMPLATEFLOW_HOME" -mindepth 1 \( -type f -o -type d \) -empty -delete

FROM app
COPY --from=atlases /opt/templateflow /opt/templateflow
ARG PYTHON_VERSION
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="bids_labelx" \
      org.opencontainers.image.description="A BIDS App for regional time series" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/bids-labelx/bids_labelx" \
      org.opencontainers.image.documentation="https://github.com/bids-labelx/bids_labelx/blob/main/docs/index.md" \
      org.opencontainers.image.base.name="docker.io/library/python:${PYTHON_VERSION}-slim-bookworm"
# Outputs say in GeneratedBy which image made them.
ENV BIDS_LABELX_CONTAINER_TAG=bids_labelx:${VERSION}
USER bids_labelx
ENTRYPOINT ["bids_labelx"]
