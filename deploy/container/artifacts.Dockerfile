# The models of ./artifacts without the service, for the overlays init-container and
# image-volume of deploy/kubernetes. Photo is left out, as .dockerignore has it.
#
#   docker build -t servery-artifacts:1 -f deploy/container/artifacts.Dockerfile .

FROM busybox:1.37.0
COPY artifacts /artifacts
