# shellcheck shell=sh
# To be sourced: a `compose` that works with Docker's plugin and with docker-compose, and the errors of a missing engine.

say() { echo "placet: $*" >&2; }

if ! command -v docker >/dev/null 2>&1; then
  say "docker is not installed: this needs Docker Engine, with its compose plugin or docker-compose (make demo needs neither)"
  exit 1
fi
if ! reason=$(docker info --format '{{.ServerVersion}}' 2>&1); then
  say "the Docker engine does not answer: $reason"
  exit 1
fi
if docker compose version >/dev/null 2>&1; then
  compose() { docker compose "$@"; }
elif command -v docker-compose >/dev/null 2>&1; then
  compose() { docker-compose "$@"; }
else
  say "neither the compose plugin of docker nor docker-compose is installed"
  exit 1
fi

# A variable of the environment or of .env, or else the second argument.
setting() {
  value=$(printenv "$1" || sed -n "s/^$1=//p" .env 2>/dev/null | tail -n 1)
  echo "${value:-$2}"
}
